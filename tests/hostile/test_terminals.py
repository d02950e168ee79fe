"""Names, labels and texts of others that would take a terminal over: no command prints one of them raw."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_testing.commands import RunCli, runner_of
from imgcls_testing.images import colour_image
from msgspec import structs

COLOURS = Path(__file__).parents[1] / "data" / "colours.onnx"
# Sets the title, clears the screen, turns the line around, and begins a line of its own; half a character, too.
EVIL = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\rx\udcff"
FORBIDDEN = {"\x1b", "\x07", "\u202e", "\x9b", "\r", "\udcff"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an artifact of evil labels, a dataset of evil names, and files that are not what they say."""
    root = tmp_path_factory.mktemp("evil") / f"folder{EVIL[:-1]}"  # the runtime opens no path that is no text
    for split in ("train", "val"):
        for colour in ("red", "blue"):
            folder = root / "data" / split / f"{colour}{EVIL}"
            folder.mkdir(parents=True)
            for number in range(3):
                (folder / f"{number}{EVIL}.png").write_bytes(colour_image(colour, size=(30 + number, 30)))
            (folder / f"broken{EVIL}.png").write_bytes(b"no image")
    known = OnnxClassifier(COLOURS, provider="cpu", warm_up=False).metadata
    classes = tuple(structs.replace(one, label=f"{one.label}\x1b[31m\u202e\x9b") for one in known.classes)
    evil = structs.replace(known, classes=classes, name=f"n{EVIL[:-1]}")
    (root / "evil.onnx").write_bytes(sealed_artifact(COLOURS.read_bytes(), evil))
    (root / f"cut{EVIL}.onnx").write_bytes(COLOURS.read_bytes()[:3000])
    shutil.copy(COLOURS, root / "plain.onnx")
    text = '[cerebrium.deployment]\nname = "a\\u001b[2Jb"\n"\\u001b]x" = 1\n'
    (root / "cerebrium.toml").write_text(text, encoding="utf-8")
    return root


def command(name: str) -> RunCli:
    return runner_of(import_module(f"imgcls_{name}.cli").main)


COMMANDS: dict[str, Callable[[Path, Path], list[tuple[object, ...]]]] = {
    "convert": lambda at, to: [
        ("inspect", at / "evil.onnx", "--json"),
        ("inspect", at / "evil.onnx"),
        ("inspect", at / f"cut{EVIL}.onnx"),
        ("diff", at / "plain.onnx", at / "evil.onnx"),
        ("verify", at / "evil.onnx", "--model", f"{at}/none{EVIL}.py:build"),
        (f"no{EVIL}", "--output", to / "x.onnx"),
        ("resnet18", "--weights", at / f"cut{EVIL}.onnx", "--output", to / f"x{EVIL}.onnx"),
        ("inspect", f"--no{EVIL}"),
    ],
    "batch": lambda at, to: [
        ("run", at / "data" / "train", to, "--model", at / "evil.onnx", "--workers", 1),
        ("run", at / "data" / "val", to, "--model", at / "evil.onnx", "--workers", 1),
        ("stats", to),
        ("stats", to, "--json"),
        ("pick", to, "--uncertain", 3),
        ("pick", to, "--images", to / f"picked{EVIL[:-1]}", "--list", to / f"list{EVIL[:-1]}.csv"),
        ("diff", to, to),
        ("run", at / f"none{EVIL}", to / "other", "--model", at / "evil.onnx"),
    ],
    "train": lambda at, to: [
        ("data", at / "data"),
        ("data", at / "data", "--json"),
        ("evaluate", at / "evil.onnx", at / "data", "--split", "val"),
        ("publish", at / "evil.onnx", to / "store"),
        ("publish", at / "plain.onnx", to / f"plain{EVIL[:-1]}"),
        ("publish", at / "plain.onnx", to / f"store{EVIL[:-1]}", "--report", at / f"cut{EVIL}.onnx"),
        ("store", "list", to / f"store{EVIL[:-1]}"),
        ("pull", at / f"none{EVIL}", to / "pulled"),
        ("fit", at / f"none{EVIL}"),
    ],
    "deploy": lambda at, to: [
        ("check", "--root", at),
        ("upload", "--root", at),
        ("releases", f"tag{EVIL}"),
        ("cost", f"--{EVIL}"),
    ],
    "client": lambda at, to: [
        ("predict", at / f"cut{EVIL}.onnx", "--url", "http://127.0.0.1:9"),
        ("config", "--url", f"http://127.0.0.1:9/{EVIL}"),
        ("monitor", "report", "--database", at / f"none{EVIL}"),
        (f"no{EVIL}",),
    ],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_prints_what_takes_a_terminal_over(
    name: str, place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = command(name)
    codes: set[int] = set()
    for arguments in COMMANDS[name](place, tmp_path / "out"):
        outcome = run(*arguments)
        said = outcome.out + outcome.err + "".join(capfd.readouterr())
        assert not FORBIDDEN & set(said), (arguments, said)
        assert "a bug of ours" not in said, (arguments, said)
        assert "Traceback" not in said
        codes.add(outcome.code)
    assert 0 in codes or name in {"client", "deploy"}, codes  # which have nobody to ask, and nothing to deploy
