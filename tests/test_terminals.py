"""What every command shows in a terminal of 80 and of 60 columns, without colours, in another encoding, and stopped."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from imgcls_testing.service import RunningService, StartService

sys.path.insert(0, str(Path(__file__).parent))

from terminals import Shown, Typed, show_all

# What no width can break: an address, a digest, a path, and the command lines of examples, which are copied whole.
_UNBREAKABLE = re.compile(r"\S{30,}|^  (?:[A-Z]\w+=\S+ |curl |openssl )?.*imgcls-|`[^`]*`")
_PREDICT = ("imgcls-client", "predict", "photos")
_SUITE = ("imgcls-client", "suite", "--only", "identity")
_INSPECT = ("imgcls-convert", "inspect", "colours.onnx")
_ASKING = (
    _PREDICT,
    _SUITE,
    _INSPECT,
    ("imgcls-client", "suite", "--list"),
    ("imgcls-client", "bench", "--calls", "8", "--warm-up", "10ms"),
    ("imgcls-client", "monitor", "--database", "monitor.db"),
    ("imgcls-convert", "verify", "colours.onnx"),
    ("imgcls-convert", "--list"),
    ("imgcls-deploy", "wait", "notaurl"),
)
_NARROW = (_SUITE, _INSPECT)
_READ = (_PREDICT, _SUITE)
_PLACES = {
    "no colour": ({"NO_COLOR": "1"}, (_SUITE,)),
    "dumb": ({"TERM": "dumb"}, (_SUITE,)),
    "ASCII": ({"PYTHONIOENCODING": "ascii"}, _READ),
}


@pytest.fixture(scope="module")
def served(start_service: StartService) -> Iterator[RunningService]:
    with start_service(provider="cpu") as running:
        yield running


@pytest.fixture(scope="module")
def folder(colours_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    made = tmp_path_factory.mktemp("terminals")
    shutil.copy(colours_path, made / "colours.onnx")
    (made / "best.pth").write_bytes(b"weights")
    (made / "photos").mkdir()
    for name in ("a-photo-with-a-long-name-of-a-camera-20261121-0001", "zweite—größer", "c"):
        Image.new("RGB", (40, 40), "red").save(made / f"photos/{name}.png")
    return made


@pytest.fixture(scope="module")
def shown(served: RunningService, folder: Path) -> dict[str, Shown]:
    """Everything at once: what a process imports is imported once."""
    cases: dict[str, Typed] = {}
    address = {"IMGCLS_URL": served.url}
    cases |= {f"{' '.join(words)} 80": Typed(words, 80, address) for words in _ASKING}
    cases |= {f"{' '.join(words)} 60": Typed(words, 60, address) for words in _NARROW}
    cases |= {f"{' '.join(words)} | head": Typed(words, 80, address, reader=True) for words in _READ}
    for place, (variables, asked) in _PLACES.items():
        cases |= {f"{' '.join(words)} {place}": Typed(words, 80, address | variables) for words in asked}
    cases["stopped bench"] = Typed(
        ("imgcls-client", "bench", "--duration", "50s"), 80, address, interrupted_at="measuring"
    )
    cases["stopped wait"] = Typed(
        ("imgcls-deploy", "wait", "127.0.0.1:9", "--timeout", "50s"), interrupted_at="refused"
    )
    return dict(zip(cases, show_all([*cases.values()], folder), strict=True))


def _lines(text: str) -> list[str]:
    """Lines as they stay: a bar that was overwritten is none."""
    return [line.rpartition("\r")[2] for line in text.split("\n")]


def _too_long(shown: Shown, columns: int) -> list[str]:
    return [line for line in _lines(shown.text) if len(line) > columns and not _UNBREAKABLE.search(line)]


@pytest.mark.parametrize(
    ("columns", "words"), [(columns, words) for columns, asked in ((80, _ASKING), (60, _NARROW)) for words in asked]
)
def test_results_break_between_words(shown: dict[str, Shown], words: tuple[str, ...], columns: int) -> None:
    said = shown[f"{' '.join(words)} {columns}"]
    assert _too_long(said, columns) == []
    assert "bug of ours" not in said.text


@pytest.mark.parametrize("words", _READ, ids=" ".join)
def test_a_reader_that_has_seen_enough_is_told_nothing(shown: dict[str, Shown], words: tuple[str, ...]) -> None:
    said = shown[f"{' '.join(words)} | head"]
    assert "Traceback" not in said.text
    assert "BrokenPipe" not in said.text
    assert said.code in {0, shown[f"{' '.join(words)} 80"].code}


@pytest.mark.parametrize(
    ("place", "words"), [(place, words) for place, (_, asked) in _PLACES.items() for words in asked]
)
def test_any_terminal_will_do(shown: dict[str, Shown], words: tuple[str, ...], place: str) -> None:
    said, usual = shown[f"{' '.join(words)} {place}"], shown[f"{' '.join(words)} 80"]
    assert said.code == usual.code, said.text
    assert "bug of ours" not in said.text
    assert not (said.colours and place in {"no colour", "dumb"})


@pytest.mark.parametrize("what", ["bench", "wait"])
def test_ctrl_c_ends_it_with_a_sentence(shown: dict[str, Shown], what: str) -> None:
    said = shown[f"stopped {what}"]
    assert said.code == 130
    assert _lines(said.text.rstrip())[-1].endswith(": interrupted.")
