"""The monitor on a disk that ends at any write: a sentence, what was kept is whole, the next pass goes on."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run, StandIn

resource = pytest.importorskip("resource")  # of POSIX

# SQLite writes by pages of so many bytes, in its log with 24 more.
PAGE = 4096
# As a full disk would, but the system kills who writes beyond.
KILLED = """
import resource, signal, sys
sys.dont_write_bytecode = True
from imgcls_client.cli import main
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(sys.argv[2:])
"""


@contextmanager
def files_end_at(most_bytes: int) -> Generator[None]:
    """No file of this process grows beyond; the system refuses as it does for a full disk."""
    least, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (least, most))


def passes_kept(database: Path) -> int:
    """How many passes are kept, each whole."""
    if not database.exists():
        return 0
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return 0
        passes = [json.loads(document) for (document,) in connection.execute("SELECT document FROM passes")]
        assert len({len(seen["calls"]) for seen in passes}) <= 1, "a pass was kept in part"
        return len(passes)


def test_a_database_that_finds_no_room_keeps_what_it_has(
    run: Run, service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    database = tmp_path / "m.sqlite"
    watch = ("monitor", "--url", service.url, "--database", database)
    refusals, kept = 0, 0
    for pages in range(60):
        with files_end_at(pages * PAGE + pages * 24 + 32):
            ended = run(*watch)
        now = passes_kept(database)
        if ended.exit_code:
            refusals += 1
            assert ended.exit_code == 2, ended.stderr
            assert f"The database {database} cannot be used: " in ended.stderr.splitlines()[-1]
            assert "Traceback" not in ended.stderr
            assert now >= kept
        else:
            assert now == kept + 1
        kept = now
    assert refusals > 5
    assert kept > 2
    assert run(*watch).exit_code == 0


def test_a_monitor_that_is_killed_at_a_write_keeps_what_it_has(run: Run, service: StandIn, tmp_path: Path) -> None:
    database = tmp_path / "m.sqlite"
    watch = ("monitor", "--url", service.url, "--database", database)
    kept = 0
    for pages in (0, 1, 3, 8, 12, 20):
        subprocess.run(
            [sys.executable, "-c", KILLED, str(pages * (PAGE + 24) + 32), *map(str, watch)],
            check=False,
            capture_output=True,
        )
        assert passes_kept(database) >= kept
        assert run(*watch).exit_code == 0
        now = passes_kept(database)
        assert now >= kept + 1
        kept = now
