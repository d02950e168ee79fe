"""Every format in which weights are kept, and every way in which a tensor lies in it."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from imgcls_networks.errors import CheckpointError, RequestError
from imgcls_networks.weights.checkpoint import load_checkpoint, read_checkpoint
from imgcls_networks.weights.source import parse_weights
from safetensors.torch import save_file
from torch import Tensor, nn


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5))


torch.manual_seed(5)
ORIGINAL = network()
WEIGHTS = dict(ORIGINAL.state_dict())


def is_original(path: Path, tolerance: float = 0.0) -> bool:
    loaded = load_checkpoint(network, path)[0].state_dict()
    return all(torch.allclose(loaded[name].double(), WEIGHTS[name].double(), 0, tolerance) for name in WEIGHTS)


def plain_zip(path: Path) -> None:
    torch.save(WEIGHTS, path)


def old_row(path: Path) -> None:
    torch.save(WEIGHTS, path, _use_new_zipfile_serialization=False)


def recompressed(path: Path) -> None:
    """As a user's archive tool packs what it has unpacked."""
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    with zipfile.ZipFile(buffer) as before, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            after.writestr(name, before.read(name))


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(WEIGHTS))


def pickled_arrays(path: Path) -> None:
    path.write_bytes(pickle.dumps({"model": {name: tensor.numpy() for name, tensor in WEIGHTS.items()}}, protocol=2))


def in_safetensors(path: Path) -> None:
    save_file(WEIGHTS, path)


def before_0_1_10(path: Path) -> None:
    """A tar archive as PyTorch wrote it until 2017; no release writes it any more."""
    names = [name for name in WEIGHTS if "tracked" not in name]
    storages, tensors = io.BytesIO(), io.BytesIO()
    storages.write(pickle.dumps(len(names), protocol=2))
    tensors.write(pickle.dumps(len(names), protocol=2))
    for number, name in enumerate(names):
        tensor = WEIGHTS[name].contiguous()
        storages.write(pickle.dumps((number, "cpu", torch.FloatStorage), protocol=2))
        storages.write(struct.pack("<q", tensor.numel()) + tensor.numpy().tobytes())
        tensors.write(pickle.dumps((100 + number, number, torch.FloatTensor), protocol=2))
        tensors.write(struct.pack("<ii", tensor.dim(), 0))
        tensors.write(struct.pack(f"<{tensor.dim()}q", *tensor.shape))
        tensors.write(struct.pack(f"<{tensor.dim()}q", *tensor.stride()))
        tensors.write(struct.pack("<q", 0))
    storages.write(pickle.dumps([], protocol=2))
    content = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> str | None:
            return next((str(100 + i) for i, name in enumerate(names) if obj is WEIGHTS[name]), None)

    Pickler(content, protocol=2).dump(OrderedDict((name, WEIGHTS[name]) for name in names))
    with tarfile.open(path, "w") as archive:
        for name, stream in (("storages", storages), ("tensors", tensors), ("pickle", content)):
            member = tarfile.TarInfo(name)
            member.size = stream.tell()
            stream.seek(0)
            archive.addfile(member, stream)


@pytest.mark.parametrize(
    "write", [plain_zip, old_row, recompressed, pickled, pickled_arrays, in_safetensors, before_0_1_10]
)
@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.ckpt", "w.tar", "w.pth.tar", "w.th", "weights"])
def test_a_file_is_known_by_its_content_whatever_its_name(
    tmp_path: Path, write: Callable[[Path], None], name: str
) -> None:
    write(tmp_path / name)
    assert is_original(tmp_path / name)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "a view of a greater tensor": lambda one: torch.cat([torch.zeros(7), one.flatten(), torch.ones(9)])[
        7 : 7 + one.numel()
    ].view(one.shape),
    "columns first": lambda one: one.t().contiguous().t() if one.dim() == 2 else one,
    "channels last": lambda one: one.contiguous(memory_format=torch.channels_last) if one.dim() == 4 else one,
    "a parameter": nn.Parameter,
    "a parameter with attributes": lambda one: _tagged(nn.Parameter(one.clone())),
    "a buffer": nn.Buffer,
    "in double precision": lambda one: one.double(),
}


def _tagged(parameter: nn.Parameter) -> nn.Parameter:
    parameter.tag = {"decay": False}  # pyright: ignore[reportAttributeAccessIssue]
    return parameter


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_are_read_however_they_lie_in_their_storage(tmp_path: Path, layout: str, is_zip: bool) -> None:
    turned = {name: LAYOUTS[layout](one) if one.is_floating_point() else one for name, one in WEIGHTS.items()}
    torch.save(turned, tmp_path / "w.pth", _use_new_zipfile_serialization=is_zip)
    assert is_original(tmp_path / "w.pth")


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_half_precision_is_read(tmp_path: Path, dtype: torch.dtype, tolerance: float) -> None:
    halves = {name: one.to(dtype) if one.is_floating_point() else one for name, one in WEIGHTS.items()}
    torch.save(halves, tmp_path / "w.pth")
    assert is_original(tmp_path / "w.pth", tolerance)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.float8_e4m3fn])
@pytest.mark.parametrize("write", [torch.save, save_file])
def test_numbers_of_a_type_that_networks_do_not_compute_in_are_refused(
    tmp_path: Path, dtype: torch.dtype, write: Callable[..., None]
) -> None:
    path = tmp_path / ("w.pth" if write is torch.save else "w.safetensors")
    write({**WEIGHTS, "3.weight": WEIGHTS["3.weight"].to(dtype)}, path)
    with pytest.raises(CheckpointError, match=rf"3.weight is {str(dtype).removeprefix('torch.')}, quantised perhaps"):
        load_checkpoint(network, path)


def test_text_of_python_2_is_read(tmp_path: Path) -> None:
    """Names as byte strings, as Python 2 pickled them: SHORT_BINSTRING in the place of BINUNICODE."""
    buffer = io.BytesIO()
    torch.save(OrderedDict(WEIGHTS), buffer, _use_new_zipfile_serialization=False)
    raw = buffer.getvalue()
    for name in WEIGHTS:
        raw = raw.replace(
            b"X" + struct.pack("<I", len(name)) + name.encode(), b"U" + bytes([len(name)]) + name.encode()
        )
    (tmp_path / "w.pth").write_bytes(raw)
    assert is_original(tmp_path / "w.pth")


def shard(folder: Path, name: str, write: Callable[[dict[str, Tensor], Path], None], suffix: str) -> Path:
    names = list(WEIGHTS)
    places = {one: f"{name}-0000{1 + (i > 3)}-of-00002{suffix}" for i, one in enumerate(names)}
    for file in set(places.values()):
        write({one: WEIGHTS[one] for one in names if places[one] == file}, folder / file)
    index = folder / f"{name}{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}), encoding="utf-8")
    return index


@pytest.mark.parametrize(
    ("name", "write", "suffix"), [("model", save_file, ".safetensors"), ("pytorch_model", torch.save, ".bin")]
)
def test_shards_are_read_by_their_index_or_their_folder(
    tmp_path: Path, name: str, write: Callable[..., None], suffix: str
) -> None:
    index = shard(tmp_path, name, write, suffix)
    assert is_original(index)
    assert parse_weights(str(tmp_path)) == index
    before = read_checkpoint(index).sha256
    write({one: tensor + 1 for one, tensor in list(WEIGHTS.items())[:4]}, tmp_path / f"{name}-00001-of-00002{suffix}")
    assert read_checkpoint(index).sha256 != before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"3.bias": "../other.safetensors"}, "names '../other.safetensors'; files of weights must lie beside"),
        ({"3.bias": "/etc/passwd"}, "names '/etc/passwd'; files of weights must lie beside their index"),
        ({"3.bias": "model.safetensors.index.json"}, "names 'model.safetensors.index.json'; files of weights"),
        ({"3.bias": "model-3.safetensors"}, "names 'model-3.safetensors', which is not beside it; copy all 3 files"),
        (
            {"9.bias": "model-00001-of-00002.safetensors"},
            "does not hold '9.bias', as 'model.safetensors.index.json' says",
        ),
    ],
)
def test_an_index_that_does_not_fit_its_files_is_refused(tmp_path: Path, change: dict[str, str], sentence: str) -> None:
    index = shard(tmp_path, "model", save_file, ".safetensors")
    content = json.loads(index.read_text(encoding="utf-8"))
    content["weight_map"] |= change
    index.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CheckpointError) as refused:
        read_checkpoint(index)
    assert sentence in str(refused.value)


def test_a_folder_with_weights_of_several_kinds_is_asked_about(tmp_path: Path) -> None:
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    for name in ("optimizer.bin", "scheduler.pt", "random_states_0.pkl", "training_args.bin", "pytorch_model.bin"):
        torch.save({}, tmp_path / name)
    assert parse_weights(str(tmp_path)) == tmp_path / "model.safetensors"
    save_file(WEIGHTS, tmp_path / "ema.safetensors")
    with pytest.raises(RequestError, match=r"holds model.safetensors and ema.safetensors, which may be other weights"):
        parse_weights(str(tmp_path))


def test_a_folder_without_weights_is_told_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    with pytest.raises(RequestError, match=r"no checkpoint in the folder .* it has notes.txt. Name the file"):
        parse_weights(str(tmp_path))
    (tmp_path / ".metadata").write_text("", encoding="utf-8")
    with pytest.raises(RequestError, match="dcp_to_torch"):
        parse_weights(str(tmp_path))


def _zip_of(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("resnet.pth", b"1")


def _tar_of(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("resnet.pth"))


def _arrays(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


def _torchscript(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl"):
            archive.writestr(f"net/{name}", pickle.dumps({}))


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        (_zip_of, "it is a zip archive of resnet.pth; unpack it and name the file of weights"),
        (_tar_of, "it is a tar archive of resnet.pth; unpack it and name the file of weights"),
        (_torchscript, "it is a TorchScript program, which has its weights in it: give it as MODEL"),
        (_arrays, "it is a zip archive of a.npy"),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600)), "is not a PyTorch file or is damaged"),
        (lambda path: path.write_bytes(b""), "it is empty"),
    ],
)
def test_files_of_another_kind_are_named(tmp_path: Path, write: Callable[[Path], None], sentence: str) -> None:
    write(tmp_path / "w.pth")
    with pytest.raises(CheckpointError) as refused:
        read_checkpoint(tmp_path / "w.pth")
    assert sentence in str(refused.value)


@pytest.mark.parametrize("write", [plain_zip, old_row, pickled, before_0_1_10, in_safetensors])
def test_a_file_that_ends_early_gives_no_other_weights(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """A tar archive ends in empty blocks, without which it is whole."""
    write(tmp_path / "whole.pth")
    raw = (tmp_path / "whole.pth").read_bytes()
    for cut in range(1, len(raw), max(1, len(raw) // 23)):
        (tmp_path / "w.pth").write_bytes(raw[:cut])
        with contextlib.suppress(CheckpointError):
            assert is_original(tmp_path / "w.pth")
