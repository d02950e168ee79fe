"""A member's public API does not change in silence: `.ci/public_api.py` on a repository of one member."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / ".ci/public_api.py"
GIT = shutil.which("git") or "git"
CODE = '''"""A member."""

from one.thing import Thing, double

__all__ = ["Thing", "double"]
'''
THING = '''"""What it has."""

from dataclasses import dataclass


@dataclass
class Thing:
    """A thing."""

    size: int

    def _half(self) -> int:
        return self.size // 2


def double(size: int) -> int:
    """Twice as much."""
    return _twice(size)


def _twice(size: int) -> int:
    return 2 * size
'''
Check = Callable[[], subprocess.CompletedProcess[str]]


@pytest.fixture
def member(tmp_path: Path) -> Path:
    folder = tmp_path / "packages/one"
    (folder / "src/one").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "one"\n')
    (folder / "CHANGELOG.md").write_text("# Changelog\n")
    (folder / "src/one/__init__.py").write_text(CODE)
    (folder / "src/one/thing.py").write_text(THING)
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    for command in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "before")):
        subprocess.run([GIT, *command], cwd=tmp_path, check=True)
    return folder


@pytest.fixture
def check(member: Path) -> Check:
    def run() -> subprocess.CompletedProcess[str]:
        script = member.parents[1] / ".ci/public_api.py"
        return subprocess.run([sys.executable, script, "HEAD"], capture_output=True, text=True, check=False)

    return run


def change(member: Path, before: str, after: str, file: str = "thing.py") -> None:
    path = member / "src/one" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_what_is_as_it_was_passes(check: Check) -> None:
    assert check().returncode == 0


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("double(size: int)", "double(size: int, times: int = 1)", "+ def double(size: int, times: int = 1) -> int"),
        ("    size: int\n", "    size_px: int\n", "- Thing.size: int"),
        ('-> int:\n    """Twice', '-> float:\n    """Twice', "+ def double(size: int) -> float"),
    ],
    ids=["an argument more", "a field renamed", "another return type"],
)
def test_a_change_that_no_changelog_tells_is_shown(
    member: Path, check: Check, before: str, after: str, line: str
) -> None:
    change(member, before, after)
    done = check()
    assert done.returncode == 1
    assert "packages/one/CHANGELOG.md does not say so" in done.stdout
    assert line in done.stdout


def test_what_is_no_longer_exported_is_shown(member: Path, check: Check) -> None:
    change(member, '["Thing", "double"]', '["Thing"]', "__init__.py")
    assert "- def double(size: int) -> int" in check().stdout


def test_a_change_that_the_changelog_tells_passes(member: Path, check: Check) -> None:
    change(member, "double(size: int)", "double(size: float)")
    (member / "CHANGELOG.md").write_text("# Changelog\n\n- `double` takes fractions.\n")
    assert check().returncode == 0


def test_what_nobody_can_import_may_change(member: Path, check: Check) -> None:
    change(
        member,
        "_twice(size: int) -> int:\n    return 2 * size",
        "_twice(size: float) -> int:\n    return int(2 * size)",
    )
    change(member, "_half(self) -> int", "_third(self) -> float")
    done = check()
    assert done.returncode == 0, done.stdout


def test_a_member_that_is_new_has_nothing_to_tell(member: Path, check: Check) -> None:
    shutil.copytree(member, member.with_name("two"))
    (member.with_name("two") / "src/one").rename(member.with_name("two") / "src/two")
    assert check().returncode == 0
