"""What goes wrong in a first hour, made for real: each mistake's command, its exit code and the next step it is told.

`python tests/mistakes.py` writes docs/mistakes.md anew.
"""

from __future__ import annotations

import contextlib
import http.server
import importlib
import os
import re
import shlex
import socket
import subprocess
import tempfile
import threading
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from imgcls_testing.commands import Outcome, runner_of
from imgcls_testing.service import run_service, script_path
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/mistakes.md"
_KEY = "a-key-for-mistakes"
# Addresses as the page shows them: the service, another web server, and a port where nothing listens.
_SERVICE, _OTHER, _NOBODY = (f"http://127.0.0.1:{port}" for port in (8192, 8000, 9000))
_NETWORK = """
from torch import nn


def build(num_classes=3):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, num_classes))
"""


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Args:
        what: the mistake in a few words.
        typed: the command line, with variables before it.
        code: its exit code.
        next_step: what the sentence must name: a command, an option, the allowed values.
    """

    what: str
    typed: str
    code: int
    next_step: str


_TABLE: dict[str, dict[str, tuple[str, int, str]]] = tomllib.loads(
    (ROOT / "tests/data/mistakes.toml").read_text(encoding="utf-8")
)
MISTAKES = {group: [Mistake(what, *rest) for what, rest in rows.items()] for group, rows in _TABLE.items()}


class _OtherServer(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "SomeServer/1.0", ""

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def make_folder(folder: Path) -> None:
    """Writes what the commands name: a network, checkpoints, an artifact, a small dataset, photos."""
    import torch

    for name in ("models", "empty"):
        (folder / name).mkdir()
    artifact = (ROOT / "tests/data/colours.onnx").read_bytes()
    (folder / "models/colours.onnx").write_bytes(artifact)
    (folder / "cut.onnx").write_bytes(artifact[: len(artifact) // 2])
    (folder / "my_net.py").write_text(_NETWORK, encoding="utf-8")
    torch.save({"2.weight": torch.zeros(3, 3), "2.bias": torch.zeros(3)}, folder / "best.pth")
    torch.save({"head.weight": torch.zeros(3)}, folder / "other.pth")
    (folder / "empty.pth").write_bytes(b"")
    (folder / "two.txt").write_text("poppy\ngentian\n", encoding="utf-8")
    for split, name, colour in [(split, *one) for split in ("train", "val") for one in (("poppy", 1), ("gentian", 2))]:
        (folder / "flowers" / split / name).mkdir(parents=True)
        Image.new("RGB", (40, 40), (90 * colour, 50, 0)).save(folder / "flowers" / split / name / "0.png")
    Image.new("RGB", (64, 64), "red").save(folder / "photo.jpg")
    (folder / "half.jpg").write_bytes((folder / "photo.jpg").read_bytes()[:300])


@contextlib.contextmanager
def addresses() -> Iterator[dict[str, str]]:
    """Gives the real addresses of those that the page shows, while what they stand for runs."""
    other = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OtherServer)
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    settings = {"model": ROOT / "tests/data/colours.onnx", "port": 0, "provider": "cpu", "api_keys": _KEY}
    try:
        with run_service(settings) as service, socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # and does not listen
            nobody = f"http://127.0.0.1:{bound.getsockname()[1]}"
            yield {_SERVICE: service.url, _OTHER: f"http://127.0.0.1:{other.server_port}", _NOBODY: nobody}
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


def make(mistake: Mistake, real: Mapping[str, str]) -> Outcome:
    """Types a mistake in the current folder, and gives what a user sees of it, with the addresses of the page."""
    ports = {shown.rpartition(":")[2]: url.rpartition(":")[2] for shown, url in real.items()}
    typed = re.sub(r"\b(8192|8000|9000)\b", lambda port: ports[port[1]], mistake.typed)
    words = shlex.split(typed)
    given = {"IMGCLS_URL": real[_SERVICE], "IMGCLS_API_KEY": _KEY, "XDG_CONFIG_HOME": str(Path.cwd())}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        given[name] = value
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMGCLS_")}
    if "imgcls-serve" in mistake.typed:
        given = {name: value for name, value in given.items() if name not in {"IMGCLS_URL", "IMGCLS_API_KEY"}}
    if typed != mistake.typed and words[0] == "imgcls-serve":  # comes as far as to listen
        done = subprocess.run(
            [script_path(words[0]), *words[1:]],
            env=clean | given,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        outcome = Outcome(done.returncode, "", done.stderr)
    else:
        program = importlib.import_module(f"{words[0].replace('-', '_')}.cli")
        with mock.patch.dict(os.environ, clean | given, clear=True):
            outcome = runner_of(program.main)(*words[1:])
    said = re.sub(r" \(request id \w+\)", "", outcome.out + outcome.err)
    for shown, port in ports.items():
        said = re.sub(rf"\b{port}\b", shown, said)
    return Outcome(outcome.code, "", said.replace(f"{Path.cwd()}/", ""))


def sentence(said: str) -> str:
    """Gives what a user reads last: without click's usage, steps before it and a log's lines."""
    told = [
        line
        for line in said.splitlines()
        if re.match(r"imgcls-\w+: |Error: |note: IMGCLS|There is no|\S+  ERROR", line)
    ]
    # What differs from one version of Pillow, OpenSSL or Python to the next.
    steady = re.sub(r"file of \d+ bytes", "file of 693 bytes", re.sub(r"\([A-Z_]{9,}\)", "(…)", " ".join(told)))
    steady = re.sub(r"at byte \d+", "at byte …", steady)
    return re.sub(r": Expected '='.*", ": …", re.sub(r"\s{2,}", "  ", steady))


def page(said: Mapping[Mistake, str]) -> str:
    """Gives docs/mistakes.md."""
    number = sum(map(len, MISTAKES.values()))
    parts = [
        "# What a mistake is told\n",
        f"{number} mistakes of a first hour: what was typed, and the sentence that came. A test makes each of them and "
        "holds that it ends with the exit code shown, without a traceback, and names the next step; "
        "`uv run python tests/mistakes.py` writes this page from the commands' own words. In the folder lie a network "
        "(`my_net.py`) with its checkpoint (`best.pth`), an artifact (`models/colours.onnx`), a dataset (`flowers`) "
        "and `photo.jpg`; a service with an API key listens on port 8192, another program on 8000, nobody on 9000. "
        "What exit codes and words mean: [commands](README.md), [glossary](glossary.md).\n",
    ]
    for group, mistakes in MISTAKES.items():
        parts.append(f"## {group}\n\n| mistake | typed | exit | said |\n|---|---|---|---|")
        for one in mistakes:
            told = said[one].replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
            parts.append(f"| {one.what} | `{one.typed}` | {one.code} | {told} |")
        parts.append("")
    return "\n".join(parts)


def make_all(folder: Path) -> dict[Mistake, Outcome]:
    """Makes every mistake in a folder that is made for them."""
    make_folder(folder)
    with contextlib.chdir(folder), addresses() as real:
        return {one: make(one, real) for mistakes in MISTAKES.values() for one in mistakes}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        outcomes = make_all(Path(scratch))
    PAGE.write_text(page({one: sentence(outcome.err) for one, outcome in outcomes.items()}), encoding="utf-8")
