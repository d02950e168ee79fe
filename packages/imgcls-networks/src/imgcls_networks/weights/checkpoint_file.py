"""The content of a file of weights, of whatever format; or of several, by their index."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec
from imgcls_core.checksum import file_sha256
from safetensors import safe_open
from torch import Tensor

from imgcls_networks.errors import CheckpointError
from imgcls_networks.weights.stored_tensor import StoredTensor
from imgcls_networks.weights.torch_file import read_torch_file

_INDEX: Final = ".index.json"


def read_content(path: Path) -> tuple[str, Any]:
    """Gives the SHA-256 and the content of a file, or of the files of an index.

    Raises:
        CheckpointError: an index that is damaged, or names files that are not beside it.
        InertPickleError: it is no file of PyTorch, or is damaged.
        SafetensorError: the same, of safetensors.
        OSError: it cannot be read.
    """
    if path.name.endswith(_INDEX):
        return _read_shards(path)
    return file_sha256(path), _read_safetensors(path) if _is_safetensors(path) else read_torch_file(path)


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def _read_shards(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        places = msgspec.json.decode(path.read_bytes(), type=_Index).weight_map
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path.name!r} is no index of weights: {error}.") from error
    files = sorted(set(places.values()))
    if strange := [file for file in files if file != Path(file).name or file.endswith(_INDEX)]:
        raise CheckpointError(f"{path.name!r} names {strange[0]!r}; files of weights must lie beside their index.")
    if lacking := [file for file in files if not (path.parent / file).is_file()]:
        raise CheckpointError(
            f"{path.name!r} names {lacking[0]!r}, which is not beside it; copy all {len(files)} files."
        )
    sums, tensors = hashlib.sha256(), dict[str, Any]()
    for file in files:
        sha256, content = read_content(path.parent / file)
        sums.update(f"{sha256}  {file}\n".encode())
        inner = content if isinstance(content, dict) else {}
        named = [name for name, place in places.items() if place == file]
        if absent := [name for name in named if name not in inner]:
            raise CheckpointError(f"{file!r} does not hold {absent[0]!r}, as {path.name!r} says; copy the files again.")
        tensors |= {name: inner[name] for name in named}
    return sums.hexdigest(), tensors


def _is_safetensors(path: Path) -> bool:
    """Whether it says so, or begins as one: the length of a header, and the header, a JSON object."""
    with path.open("rb") as file:
        start = file.read(9)
    size = int.from_bytes(start[:8], "little")
    return path.suffix == ".safetensors" or (start[8:] == b"{" and 0 < size < 1 << 32)


def _read_safetensors(path: Path) -> dict[str, StoredTensor]:
    file: Any = safe_open(path, framework="pt")

    def read(name: str) -> Tensor:
        return file.get_tensor(name)

    names: list[str] = file.keys()
    return {
        name: StoredTensor(tuple(file.get_slice(name).get_shape()), functools.partial(read, name)) for name in names
    }
