"""Your first model, a notebook and clients in other languages: the blocks of their pages, as they stand."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from imgcls_testing.service import RunningService, run_service

ROOT = Path(__file__).parents[1]
ASKED = "garden/val/leaf/00.png"


def _blocks(page: str) -> list[tuple[str, str]]:
    """Gives the blocks of a page, each with its language."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def _type(command: str, folder: Path, **variables: str) -> str:
    """Types a command and gives what it prints."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    given = {name: value for name, value in os.environ.items() if not name.startswith("IMGCLS_")}
    done = subprocess.run(
        ["/bin/bash", "-c", command.replace("uv run ", "")],
        cwd=folder, env=given | {"PATH": path} | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newcomer's folder after everything of the first page that comes before the service."""
    folder = tmp_path_factory.mktemp("first")
    for language, block in _blocks("first-model.md"):
        if language == "python":
            (folder / block.split()[1]).write_text(block, encoding="utf-8")
        elif language == "sh":
            for command in block.splitlines():
                if not command.startswith(("uv run imgcls-serve", "uv run imgcls-client")):
                    _type(command, folder)
    return folder


@pytest.fixture(scope="module")
def service(workplace: Path) -> Iterator[RunningService]:
    with run_service({"model": workplace / "models/garden.onnx", "port": 0, "provider": "cpu"}) as running:
        yield running


def test_a_first_model_knows_a_leaf(workplace: Path, service: RunningService) -> None:
    typed = "".join(block for language, block in _blocks("first-model.md") if language == "sh")
    assert "uv run imgcls-serve models/garden.onnx" in typed
    predict, suite = re.findall("^uv run imgcls-client .*", typed, re.MULTILINE)
    assert "leaf" in _type(predict, workplace, IMGCLS_URL=service.url)
    assert " 0 failed" in _type(f"{suite} 2>&1", workplace, IMGCLS_URL=service.url)


def test_the_cells_of_a_notebook_show_themselves(
    workplace: Path, service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    names: dict[str, Any] = {}
    shown: list[object] = []
    for _, cell in _blocks("python.md"):
        *lines, last = ast.parse(cell.replace("http://127.0.0.1:8192", service.url)).body
        assert isinstance(last, ast.Expr)
        exec(compile(ast.Module(lines, []), "cell", "exec"), names)  # noqa: S102 - our own page
        shown.append(eval(compile(ast.Expression(last.value), "cell", "eval"), names))  # noqa: S307
    names["client"].close()
    trained, report, converted, best, answer = shown
    for each in (trained, report, converted, answer):
        assert "<table" in each._repr_html_()  # type: ignore[attr-defined]
    assert len(best) == 3  # type: ignore[arg-type]


def test_curl_is_a_client(workplace: Path, service: RunningService) -> None:
    (command,) = [block for language, block in _blocks("other-languages.md") if language == "sh"]
    assert '"label":"leaf"' in _type(command.replace("http://127.0.0.1:8192", service.url), workplace)


def test_go_is_a_client(workplace: Path, service: RunningService) -> None:
    if shutil.which("go") is None:
        pytest.skip("there is no go")
    (program,) = [block for language, block in _blocks("other-languages.md") if language == "go"]
    (workplace / "ask.go").write_text(program, encoding="utf-8")
    assert "leaf" in _type(f"go run ask.go {ASKED}", workplace, IMGCLS_URL=service.url)


def test_typescript_is_a_client(workplace: Path, service: RunningService) -> None:
    if shutil.which("npm") is None:
        pytest.skip("there is no npm")
    (workplace / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (program,) = [block for language, block in _blocks("other-languages.md") if language == "typescript"]
    (workplace / "ask.ts").write_text(program, encoding="utf-8")
    (steps,) = [block for _, block in _blocks("other-languages.md") if block.startswith("npm ")]
    install, describe = steps.splitlines()[:2], steps.splitlines()[2:]
    given = ["/bin/bash", "-c", " && ".join(install)]
    offline = os.environ | {"npm_config_offline": "true"}  # no test downloads
    if subprocess.run(given, cwd=workplace, env=offline, capture_output=True, check=False).returncode:
        pytest.skip("npm's cache has not yet what the page's `npm install` brings; typed once anywhere, it has")
    for command in describe:
        said = _type(command.replace("http://127.0.0.1:8192", service.url), workplace, IMGCLS_URL=service.url)
    assert "leaf" in said
