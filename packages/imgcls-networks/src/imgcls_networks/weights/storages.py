"""Where the numbers of tensors lie in files of `torch.save`: its pickles speak of storages by key, type, length."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Final, TypeAlias

import torch

from imgcls_networks.weights.inert_pickle import PERSISTENT, Foreign, InertPickle, InertPickleError, read_pickle

_MAGIC: Final = 0x1950A86A20F9469CFC6C  # first pickle of a file of PyTorch 0.1.10 to 1.5
_STORAGES: Final = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}

# Gives the bytes of a storage, from its key and how many bytes it must have.
ReadStorage: TypeAlias = Callable[[str, int], bytes]


@dataclass(frozen=True)
class Storage:
    """A row of numbers outside of a pickle.

    Args:
        dtype: of its numbers.
        key: its name.
        numel: how many numbers it has.
        start: where the part begins that is meant.
        on_meta: it has no numbers.
    """

    dtype: torch.dtype
    key: str
    numel: int
    start: int
    on_meta: bool

    @property
    def size_bytes(self) -> int:
        """What it takes."""
        return self.dtype.itemsize * self.numel


def storage_of(value: object) -> Storage | None:
    """Gives the storage for which something stands; None where it is something else."""
    saved_id = value.args[0] if isinstance(value, Foreign) and value.name == PERSISTENT else None
    if not isinstance(saved_id, tuple) or len(saved_id) not in {5, 6} or saved_id[0] not in {"storage", b"storage"}:
        return None
    _, kind, key, location, numel, *view = saved_id
    module, _, name = getattr(kind, "name", "").rpartition(".")
    if not module.startswith("torch") or name not in _STORAGES or not isinstance(numel, int) or numel < 0:
        return None
    is_part = view and isinstance(view[0], tuple) and len(view[0]) == 3 and isinstance(view[0][1], int)
    return Storage(_STORAGES[name], str(key), numel, view[0][1] if is_part else 0, on_meta=location == "meta")


def sizes_of(persistent: list[Any]) -> dict[str, int]:
    """Gives how many bytes each storage has of which a pickle speaks, by its key."""
    found = [storage_of(Foreign(PERSISTENT, (one,))) for one in persistent]
    return {storage.key: storage.size_bytes for storage in found if storage}


def read_row(stream: IO[bytes]) -> tuple[InertPickle, dict[str, int]]:
    """Reads what PyTorch before 1.6 wrote, a row of pickles and then the numbers of the storages.

    Returns:
        The pickle of the content, and where the numbers of each storage begin; a pickle of its own has none.

    Raises:
        InertPickleError: it is damaged, or from a big-endian machine.
    """
    found = read_pickle(stream)
    if found.content != _MAGIC:
        return found, {}
    read_pickle(stream)  # the number of the protocol
    if read_pickle(stream).content.get("little_endian") is False:
        raise InertPickleError("it was saved on a big-endian machine; save it again on another")
    found, keys = read_pickle(stream), read_pickle(stream).content
    sizes, places = sizes_of(found.persistent), dict[str, int]()
    for key in map(str, keys):
        stream.read(8)  # how many numbers follow; the pickle has said it, too
        places[key] = stream.tell()
        stream.seek(places[key] + sizes[key])
    return found, places


def nested_storage(value: object) -> tuple[object, ReadStorage] | None:
    """Gives a storage that lies in a pickle as a file of `torch.save`, as `pickle.dump` writes it, and its reader."""
    if not isinstance(value, Foreign) or value.name != "torch.storage._load_from_bytes" or not value.args:
        return None
    raw = value.args[0]
    if not isinstance(raw, bytes):
        return None
    found, places = read_row(io.BytesIO(raw))
    return found.content, lambda key, size: raw[places[key] : places[key] + size]
