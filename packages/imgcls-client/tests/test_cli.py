"""The command tree itself."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Run


def test_help_loads_neither_httpx_nor_rich() -> None:
    code = (
        "import sys; from imgcls_client.cli import program; program.run(['--help']); "
        "heavy = {'httpx', 'rich', 'asyncio', 'ssl', 'msgspec', 'sqlite3'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "predict" in ended.stdout


def test_a_call_loads_nothing_that_draws() -> None:
    code = (
        "import sys; from imgcls_client.cli import main\n"
        "try: main(['ready', '--url', 'http://127.0.0.1:1', '--retries', '0'])\n"
        "except SystemExit as ended: print(ended.code, *{'httpx', 'rich', 'pygments', 'asyncio'} & set(sys.modules))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "3 httpx\n"


@pytest.mark.parametrize("command", ["predict", "ready", "suite", "bench", "monitor"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert ended.exit_code == 0
    assert "--url" in ended.stdout


def test_a_mistyped_command_is_told_the_nearest(run: Run) -> None:
    ended = run("pridict")
    assert ended.exit_code == 2
    assert "Did you mean 'predict'?" in ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(["predict"], ["ready"], ["suite"], ["golden"], ["bench"], ["monitor"]),
        *(["monitor", "report"], ["config"], ["config", "show"]),
    ],
)
def test_every_help_has_examples_explains_each_option_and_names_the_connection_last(
    run: Run, command: list[str]
) -> None:
    shown = run(*command, "--help").stdout
    assert f"imgcls-client {command[0]}" in shown.split("Examples:")[1]
    options = [line for line in shown.splitlines() if line.startswith("  -")]
    assert [line for line in options if len(line.split()) < 2] == []
    if "Connection:" in shown:
        assert shown.index("Options:") < shown.index("Connection:") < shown.index("Examples:")


def test_a_bug_of_ours_is_one_line_and_70(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("imgcls_client.predict.image_sources.find_images", broken)
    ended = run("predict", tmp_path)
    assert ended.exit_code == 70
    assert "ZeroDivisionError: planted" in ended.stderr
    assert "Traceback" not in ended.stderr
