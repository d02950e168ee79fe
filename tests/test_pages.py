"""What the pages tell a reader to type is typed as it stands, on what a newcomer has; what they show is what comes.

A newcomer has a clone, the model in the package as an artifact, and the images that it carries; files that a page takes
for the reader's own (`my_net.py`, `best.pth`, a folder `DATASET`) are made by tests/readers_own.py.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_tree import PROGRAMS, parse
from conftest import RunCommand
from imgcls_everyday100 import ARTIFACT
from imgcls_testing.service import RunningService, run_service
from pages import NOT_TYPED, PAGES, ROOT, TYPED_ELSEWHERE, Step, own_commands, steps_of
from readers_own import make_readers_own

STEPS = {page: steps_of(page) for page in PAGES if page not in TYPED_ELSEWHERE}
_ADDRESS = "http://127.0.0.1:8192"
_SHELL_WORDS = re.compile(r"[|;<>$`*]|&&")
# A count is compared as it stands; times, probabilities and hashes differ from run to run and between machines.
_DIFFERS = re.compile(r"[0-9a-f]{12,64}|\d[\d.,e+-]*+(?! (?:passed|failed|skipped|classes|golden))")


def test_a_page_that_another_test_types_is_named_there() -> None:
    for page, test in TYPED_ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8"), page


def test_what_is_listed_as_not_typed_stands_in_a_page() -> None:
    typed = [f"{step.page}: {step.typed}" for steps in STEPS.values() for step in steps]
    assert [part for part in NOT_TYPED if not any(re.search(part, one) for one in typed)] == []


def test_the_counts_of_a_suite_are_those_of_all_its_tests(imgcls: RunCommand) -> None:
    rows = imgcls("client", "suite", "--list").stdout.splitlines()[1:]
    checks = sum(not row.startswith("platform") for row in rows)  # those run on Cerebrium alone
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for counts in re.findall(r"(\d+) passed, (\d+) failed, (\d+) skipped", text):
            assert sum(map(int, counts)) == checks, page


@pytest.mark.parametrize("page", STEPS)
def test_every_command_is_one_that_its_program_understands(page: str) -> None:
    for step in STEPS[page]:
        if step.is_python:
            continue
        for command in own_commands(step.typed):
            parse(command)
        for file in re.findall(r"(?<!\S)((?:benchmarks|packages|apps|docker|deploy|\.ci|tests)/\S+\.\w+)", step.typed):
            assert re.search("FILE|NAME", file) or any(
                (ROOT / part / file).is_file() for part in ("", Path(page).parent)
            ), file
        script = re.match(r"(?:uv run )?python (\S+\.py)(.*)", step.typed)
        for option in re.findall(r"\s(--[a-z][a-z-]+)", script[2].partition(" # ")[0]) if script else []:
            assert script is not None
            assert f'"{option}"' in (ROOT / script[1]).read_text(encoding="utf-8"), (option, step.typed)


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with the model in the package as an artifact, its images, and what pages take for the reader's own."""
    folder = tmp_path_factory.mktemp("newcomer")
    listed = subprocess.run(
        ["/usr/bin/env", "git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.startswith((".git/", "benchmarks/", "tests/fuzz/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    (folder / "models").mkdir()
    shutil.copyfile(ARTIFACT, folder / "models/everyday100.onnx")
    return folder


@pytest.fixture(scope="module")
def service(newcomer: Path, imgcls: RunCommand) -> Iterator[RunningService]:
    """The newcomer's service, of which the pages ask."""
    with run_service({"model": newcomer / "models/everyday100.onnx", "port": 0, "provider": "cpu"}) as running:
        saved = imgcls("client", "golden", "--save", newcomer / "images", "--url", running.url)
        assert saved.returncode == 0, saved.stderr
        make_readers_own(newcomer)
        yield running


class _Reader:
    """Types the steps of one page in a folder of their own."""

    def __init__(self, url: str, imgcls: RunCommand, stack: ExitStack) -> None:
        self._url, self._imgcls, self._stack = url, imgcls, stack
        self._cells: dict[str, object] = {"__name__": "__main__"}

    def type(self, step: Step) -> str:
        """Gives what a step prints, on both streams."""
        if step.is_python:
            named = re.match(r"# (\S+\.py)\n", step.typed)
            if named:
                Path(named[1]).write_text(step.typed, encoding="utf-8")
            else:
                exec(compile(step.typed.replace(_ADDRESS, self._url), "page", "exec"), self._cells)  # noqa: S102
            return ""
        typed = step.typed.replace("uv run ", "")
        typed, _, file = typed.partition(" # ")[0].rstrip().partition(" > ")
        words = shlex.split(typed)
        if "imgcls-serve" in words and not {"--settings", "--openapi"} & set(words):
            self._serve(words)
            return ""
        if words[0] in PROGRAMS and words[0] not in {"imgcls-batch", "imgcls-deploy"} and not _shell(typed):
            done = self._imgcls(words[0].removeprefix("imgcls-"), *words[1:])
        else:
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            given = ["/bin/bash", "-c", typed.replace(_ADDRESS, self._url).replace("127.0.0.1:8192", self._url)]
            environment = os.environ | {"PATH": path, "IMGCLS_URL": self._url}
            done = subprocess.run(given, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == step.exit_code, (step.typed, done.stdout, done.stderr)
        if file:
            Path(file).write_text(done.stdout, encoding="utf-8")
        return done.stdout + done.stderr

    def _serve(self, words: list[str]) -> None:
        at = words.index("imgcls-serve")
        named = [word for word in words[at + 1 :] if not word.startswith("-")]
        given = dict(word.removeprefix("IMGCLS_").lower().split("=", 1) for word in words[:at])
        what = "models_dir" if "--models-dir" in words else "model"
        model = {what: Path(named[-1]).resolve()} if named else {}
        settings = {**model, "port": 0, "provider": "cpu", **given}
        self._url = self._stack.enter_context(run_service(settings)).url
        os.environ["IMGCLS_URL"] = self._url


def _shell(typed: str) -> bool:
    """Says whether a command line needs a shell."""
    return bool(_SHELL_WORDS.search(typed))


def _seen(shown: str, printed: set[str]) -> bool:
    """Says whether a line of the page is among those printed; `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in _masked(shown).split("…"))
    return any(re.fullmatch(pattern, line) for line in printed)


def _masked(line: str) -> str:
    return re.sub(r"\s+", " ", _DIFFERS.sub("#", line)).strip()


@pytest.mark.timeout(1200)  # the README's suite puts load on a service
@pytest.mark.parametrize("page", [page for page, steps in STEPS.items() if steps])
def test_a_page_can_be_typed_and_shows_what_comes(
    page: str,
    newcomer: Path,
    service: RunningService,
    imgcls: RunCommand,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if all(step.why_not_typed for step in STEPS[page]):
        return
    clone = tmp_path / "clone"
    shutil.copytree(newcomer, clone, copy_function=os.link)
    if page == "README.md":  # before it nobody has more than its two commands make
        shutil.rmtree(clone / "images")
        for other in ("new", "resnet18"):
            (clone / f"models/{other}.onnx").unlink()
    monkeypatch.chdir(clone)
    monkeypatch.syspath_prepend(str(clone))
    monkeypatch.setenv("IMGCLS_URL", service.url)
    monkeypatch.setattr(sys, "argv", ["-", "models/everyday100.onnx"])
    with ExitStack() as stack:
        reader = _Reader(service.url, imgcls, stack)
        wrong: list[object] = []
        for step in STEPS[page]:
            if step.why_not_typed is not None:
                continue
            try:
                printed = {_masked(line) for line in reader.type(step).splitlines()}
            except Exception as error:  # noqa: BLE001 - the other steps have something to say too
                wrong.append((step.typed, repr(error)))
                continue
            missing = [line for line in step.shown if not _seen(line, printed)]
            if missing:
                wrong.append((step.typed, missing, printed))
        assert wrong == []
