"""The README's step by step, typed as it stands; what it shows is what comes, but for numbers and hashes.

The calls of docs/http.md and the reader of docs/artifact-format.md are tried on what these steps have made.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from imgcls_testing.service import run_service

ROOT = Path(__file__).parents[1]


def _steps() -> list[tuple[str, list[str]]]:
    """Gives each command with the lines that the README shows below it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Step by step")[2].partition("\n## ")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    steps = [step.split("\n") for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE) if step]
    return [(command, [line for line in lines if line]) for command, *lines in steps]


def _calls_of_the_http_page() -> list[str]:
    return re.findall(r"^\$ (curl .*)", (ROOT / "docs/http.md").read_text(encoding="utf-8"), re.MULTILINE)


def _program_of_the_artifact_page() -> str:
    """Gives the Python that reads an artifact without imgcls."""
    text = (ROOT / "docs/artifact-format.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[-1]


def _masked(line: str) -> str:
    """Times, probabilities and hashes differ from machine to machine and from run to run."""
    return re.sub(r"\s+", " ", re.sub(r"[0-9a-f]{12,64}|\d[\d.,e+-]*", "#", line))


def test_every_step_can_be_typed_and_shows_what_the_readme_shows(tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    url = None
    with ExitStack() as stack:
        for command, shown in _steps():
            typed = command.replace("uv run ", "")
            if typed.startswith("imgcls-serve --models-dir "):
                folder = tmp_path / typed.split()[-1]
                url = stack.enter_context(run_service({"models_dir": folder, "port": 0})).url
                environment["IMGCLS_URL"] = url
                continue
            typed = typed.replace("http://127.0.0.1:8192", url or "")
            given = ["/bin/bash", "-c", typed]
            done = subprocess.run(given, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, (command, done.stderr)
            printed = [_masked(line) for line in (done.stdout + done.stderr).splitlines()]
            assert [line for line in shown if _masked(line) not in printed] == [], command
        assert url is not None, "nothing was served"
        for command in _calls_of_the_http_page():
            given = ["/bin/bash", "-c", command.replace("http://127.0.0.1:8192", url)]
            answer = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
            assert '"label":"iPod"' in answer, command
    read = [sys.executable, "-c", _program_of_the_artifact_page()]
    assert subprocess.run(read, cwd=tmp_path, capture_output=True, text=True, check=True).stdout == "iPod\n"
