"""Nothing of a checkpoint runs, and none takes more memory or time than a checkpoint may."""

from __future__ import annotations

import contextlib
import copyreg
import functools
import os
import pickle
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from imgcls_networks.errors import CheckpointError
from imgcls_networks.weights.checkpoint import load_checkpoint
from torch import nn

_MEGABYTE = 1 << 20


class _Calls:
    """Pickled, it is a call of a function with arguments."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.reduced = function, args

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


class _Restores:
    """Would make the file when its state is restored."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __setstate__(self, state: dict[str, str]) -> None:
        Path(state["trace"]).touch()


class _Key(_Restores):
    """Would make the file when it is hashed, as the key of a dictionary."""

    def __hash__(self) -> int:
        with contextlib.suppress(AttributeError):  # not while it is being pickled
            Path(self.trace + "-hashed").touch()
        return 1


class _IsTyped(str):
    __slots__ = ()

    def __new__(cls, trace: str) -> _IsTyped:
        Path(trace).touch()
        return super().__new__(cls, trace)


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _tensor_of(function: Callable[..., Any], trace: Path) -> _Calls:
    """A tensor's own way of being rebuilt, led to another function."""
    rebuild = torch._tensor._rebuild_from_type_v2
    return _Calls(rebuild, function, torch.Tensor, (str(trace),), {})


def _storage_type(trace: Path) -> bytes:
    """A storage whose type is a function."""
    saved_id = b"(" + _text("storage") + b"cos\nmkdir\n" + _text(str(trace)) + _text("cpu") + b"K\x04t"
    return b"\x80\x02" + saved_id + b"Q."


def _nested(trace: Path) -> _Calls:
    inner = pickle.dumps(_Calls(os.mkdir, str(trace)), protocol=2)
    return _Calls(torch.storage._load_from_bytes, inner)


# A pickle that makes a file, or a folder, at the path.
HOSTILE: dict[str, Callable[[Path], bytes]] = {
    "a call": lambda trace: pickle.dumps(_Calls(os.mkdir, str(trace))),
    "a shell": lambda trace: pickle.dumps(_Calls(os.system, f"touch {trace}")),
    "source code": lambda trace: pickle.dumps(_Calls(exec, f"__import__('os').mkdir({str(trace)!r})")),
    "an expression": lambda trace: pickle.dumps(_Calls(eval, f"__import__('os').mkdir({str(trace)!r})")),
    "an object that restores itself": lambda trace: pickle.dumps(_Restores(str(trace))),
    "an object that is made": lambda trace: (
        b"\x80\x02c" + f"{__name__}\n_IsTyped\n".encode() + _text(str(trace)) + b"\x85\x81."
    ),
    "a key that is hashed": lambda trace: pickle.dumps({_Key(str(trace)): 1}),
    "an instance of protocol 0": lambda trace: f"(S'{trace}'\nios\nmkdir\n.".encode(),
    "an object of protocol 1": lambda trace: b"(cos\nmkdir\n" + _text(str(trace)) + b"o.",
    "a name on the stack": lambda trace: (
        b"\x80\x04" + _text("os") + _text("mkdir") + b"\x93" + _text(str(trace)) + b"\x85R."
    ),
    "a function behind another": lambda trace: (
        b"\x80\x04" + b"cbuiltins\ngetattr\n(cos\npath\n" + _text("os") + b"tR(" + _text(str(trace)) + b"tR."
    ),
    "an extension": lambda trace: b"\x80\x02\x82\xf3" + _text(str(trace)) + b"\x85R.",
    "a module that is imported": lambda trace: b"\x80\x02chostile_module\nanything\n.",
    "a state that is a function's": lambda trace: (
        b"\x80\x02ctorch\nTensor\n}" + _text("__setstate__") + b"cos\nmkdir\nsb."
    ),
    "a tensor rebuilt by a function": lambda trace: pickle.dumps(_tensor_of(os.mkdir, trace)),
    "a storage of a function's type": _storage_type,
    "a file within the file": lambda trace: pickle.dumps(_nested(trace)),
    "a function of a function": lambda trace: pickle.dumps(_Calls(functools.reduce, os.mkdir, [str(trace), 0o700])),
}


def _as_zip(path: Path, pickled: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")


def _as_row(path: Path, pickled: bytes) -> None:
    magic, version = 0x1950A86A20F9469CFC6C, 1001
    head = b"".join(pickle.dumps(one, protocol=2) for one in (magic, version, {"little_endian": True}))
    path.write_bytes(head + pickled + pickle.dumps([], protocol=2))


def _as_its_head(path: Path, pickled: bytes) -> None:
    """In the place of the number by which such a file is known."""
    path.write_bytes(pickled + pickle.dumps([], protocol=2))


@pytest.mark.parametrize("write", [_as_zip, _as_row, _as_its_head])
@pytest.mark.parametrize("kind", HOSTILE)
def test_nothing_of_a_hostile_pickle_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, write: Callable[[Path, bytes], None]
) -> None:
    trace = tmp_path / "it-ran"
    (tmp_path / "hostile_module.py").write_text(f"__import__('os').mkdir({str(trace)!r})", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    copyreg.add_extension("os", "mkdir", 0xF3)
    try:
        pickled = HOSTILE[kind](trace)
        for left in tmp_path.glob("it-ran*"):
            left.unlink()  # pickling a key hashes it
        write(tmp_path / "w.pth", pickled)
        with pytest.raises(CheckpointError):
            load_checkpoint(lambda: nn.Linear(2, 3), tmp_path / "w.pth")
    finally:
        copyreg.remove_extension("os", "mkdir", 0xF3)
    assert not list(tmp_path.glob("it-ran*"))
    assert "hostile_module" not in sys.modules


@pytest.mark.parametrize("write", [_as_zip, _as_its_head])
@pytest.mark.parametrize("kind", ["a call", "source code", "an instance of protocol 0", "an object of protocol 1"])
def test_they_are_real(tmp_path: Path, kind: str, write: Callable[[Path, bytes], None]) -> None:
    """The ordinary reader runs them, so that the test above shows something."""
    write(tmp_path / "w.pth", HOSTILE[kind](tmp_path / "it-ran"))
    raw = (tmp_path / "w.pth").read_bytes()
    if write is _as_zip:
        with zipfile.ZipFile(tmp_path / "w.pth") as archive:
            raw = archive.read("archive/data.pkl")
    pickle.loads(raw)  # noqa: S301 - that is what is shown
    assert (tmp_path / "it-ran").exists()


def test_weights_beside_something_hostile_are_read_and_it_is_passed_over(tmp_path: Path) -> None:
    wanted = nn.Linear(2, 3)
    trace = tmp_path / "it-ran"
    content = {"state_dict": wanted.state_dict(), "hyper_parameters": _Calls(os.mkdir, str(trace))}
    torch.save(content, tmp_path / "w.pth")
    loaded, weights = load_checkpoint(lambda: nn.Linear(2, 3), tmp_path / "w.pth")
    assert torch.equal(loaded.get_parameter("weight"), wanted.weight)
    assert "passed over hyper_parameters (posix.mkdir)" in (weights.note or "")
    assert not trace.exists()


def _deflated(path: Path, pickled: bytes, storage: int = 0) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        with archive.open("archive/data/0", "w", force_zip64=True) as member:
            for _ in range(storage // _MEGABYTE):
                member.write(bytes(_MEGABYTE))


def _state_dict(numel: int, **tensors: tuple[int, tuple[int, ...], tuple[int, ...]]) -> bytes:
    """Tensors (offset, shape, strides) in one storage of so many float32."""
    body = b""
    for name, (offset, shape, strides) in tensors.items():
        sides, steps = (b"(" + b"".join(b"L%dL\n" % one for one in row) + b"t" for row in (shape, strides))
        saved = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text("0") + _text("cpu") + b"L%dL\nt" % numel
        body += _text(name) + b"ctorch._utils\n_rebuild_tensor_v2\n(" + saved + b"QL%dL\n" % offset
        body += sides + steps + b"\x89}tR"
    return b"\x80\x02}(" + body + b"u."


def _repeated(path: Path) -> None:
    """Lists of a thousand times the same list, six deep: 10^18 steps for whoever walks them all."""
    lists = b"".join(b"](" + b"h\x01" * 1000 + b"eq\x01" for _ in range(6))
    _as_its_head(path, b"\x80\x02]q\x01" + lists + b".")


def _expanded(offset: int, strides: tuple[int, ...], numel: int = 6) -> Callable[[Path], None]:
    content = _state_dict(numel, weight=(offset, (3, 2), strides), bias=(0, (3,), (1,)))
    return lambda path: _deflated(path, content)


# Each would take far more than its file: it is written to a path.
BOMBS: dict[str, Callable[[Path], None]] = {
    "a pickle that unpacks to 100 MB": lambda path: _deflated(path, b"\x80\x02" + b"]" * (100 * _MEGABYTE) + b"."),
    "a pickle of 200,000 lists": lambda path: _as_zip(path, b"\x80\x02" + b"]" * 200_000 + b"."),
    "a storage that unpacks to 400 MB": lambda path: _deflated(
        path, _state_dict(100 * _MEGABYTE, weight=(0, (3, 2), (2, 1)), bias=(0, (3,), (1,))), 400 * _MEGABYTE
    ),
    "a tensor expanded from one number": lambda path: _deflated(
        path, _state_dict(1, weight=(0, (1 << 20, 1 << 20), (0, 0)), bias=(0, (3,), (0,)))
    ),
    "a tensor beyond its storage": _expanded(0, (1 << 40, 1)),
    "a tensor before its storage": _expanded(-4, (2, 1)),
    "strides that go backwards": _expanded(5, (-2, -1)),
    "a storage of 2^60 numbers": _expanded(0, (2, 1), 1 << 60),
    "a number of 5 million digits": lambda path: _as_its_head(path, b"L" + b"9" * 5_000_000 + b"L\n."),
    "text that says it is 2^60 bytes long": lambda path: _as_its_head(path, b"\x8d" + struct.pack("<Q", 1 << 60)),
    "bytes that say they are 4 GB long": lambda path: _as_row(path, b"\x80\x03B" + struct.pack("<I", (1 << 32) - 1)),
    "lists in lists": lambda path: _as_its_head(path, b"]" * 70_000 + b"a" * 69_999 + b"."),
    "tuples in tuples as a key": lambda path: _as_its_head(path, b"})" + b"\x85" * 100_000 + b"K\x01s."),
    "the same list a million million times": _repeated,
    "keys that share their hash": lambda path: _as_its_head(
        path,
        b"}("
        + b"".join(b"\x8a\x0c" + (n * ((1 << 61) - 1)).to_bytes(12, "little") + b"N" for n in range(1, 20_000))
        + b"u.",
    ),
    "a dictionary that contains itself": lambda path: _as_its_head(path, b"}q\x01" + _text("a") + b"h\x01s."),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_file_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """What a file makes us hold is measured; the limit of steps is lowered, as counting to it takes seconds."""
    monkeypatch.setattr("imgcls_networks.weights.inert_pickle._MOST_STEPS", 150_000)
    path = tmp_path / "w.pth"
    BOMBS[kind](path)
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            load_checkpoint(lambda: nn.Linear(2, 3), path)
        assert tracemalloc.get_traced_memory()[1] < 20 * path.stat().st_size + 400 * _MEGABYTE
    finally:
        tracemalloc.stop()
