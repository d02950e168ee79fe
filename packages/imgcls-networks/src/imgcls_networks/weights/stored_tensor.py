"""Tensors as files describe them: their shape is known, their numbers are read when they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from imgcls_networks.weights.inert_pickle import Foreign, InertPickleError
from imgcls_networks.weights.numpy_pickle import array_in
from imgcls_networks.weights.storages import ReadStorage, nested_storage, storage_of

_MOST_DIMENSIONS: Final = 64
# By their names in pickles, looked up here and never in the module.
_DTYPES: Final = {str(dtype): dtype for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
_REBUILD: Final = "torch._utils._rebuild_"
_REFUSED: Final = {
    "qtensor": "is quantised; save the weights in float32",
    "sparse_tensor": "is sparse; save it as a dense tensor",
    "sparse_csr_tensor": "is sparse; save it as a dense tensor",
    "nested_tensor": "is a nested tensor",
    "meta_tensor_no_storage": "has a shape and no values (it was saved on the meta device)",
    "wrapper_subclass": "is of a class of its own, a shard or quantised; save full tensors in float32",
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file.

    Args:
        shape: its sides.
        read: gives its numbers, from the file.
        refusal: why they cannot be had, as the end of a sentence; None where they can.
    """

    shape: tuple[int, ...]
    read: Callable[[], Tensor]
    refusal: str | None = None


def tensor_in(value: object, read_storage: ReadStorage) -> StoredTensor | None:
    """Gives the tensor that a stand-in describes; None where it is something else.

    Raises:
        InertPickleError: a tensor whose description makes no sense.
    """
    if not isinstance(value, Foreign):
        return None
    if (array := array_in(value)) is not None:
        return StoredTensor(array.shape, lambda: torch.from_numpy(array.astype(array.dtype.newbyteorder("="))))
    if value.name == "torch.nn.parameter.Parameter":  # as PyTorch 0.3 wrote them
        return tensor_in((value.args or value.state or (None,))[0], read_storage)
    if value.name == "torch._tensor._rebuild_from_type_v2" and len(value.args) == 4:
        func, _, args, _ = value.args  # a subclass whose numbers are an ordinary tensor's
        return tensor_in(Foreign(getattr(func, "name", ""), args), read_storage)
    if not value.name.startswith(_REBUILD):
        return None
    kind, args = value.name.removeprefix(_REBUILD), value.args
    if kind.startswith("parameter"):
        return tensor_in(args[0] if args else None, read_storage)
    if kind in {"tensor", "tensor_v2", "tensor_v3"} and len(args) >= 4:
        dtype = _DTYPES.get(getattr(args[6], "name", "")) if kind == "tensor_v3" and len(args) > 6 else None
        is_view = args[-1] if kind == "tensor_v2" and len(args) > 6 else args[7] if len(args) > 7 else None
        return _from_storage(*args[:4], dtype=dtype, is_lazy_view=bool(is_view), read_storage=read_storage)
    sizes = next((sides for sides in map(_sides, args) if sides is not None), ())
    return StoredTensor(sizes, _unreadable, _REFUSED.get(kind, f"was saved in a form that is not known ({kind})"))


def _from_storage(
    stored: object,
    offset: object,
    size: object,
    stride: object,
    *,
    dtype: torch.dtype | None,
    is_lazy_view: bool,
    read_storage: ReadStorage,
) -> StoredTensor:
    if nested := nested_storage(stored):
        stored, read_storage = nested
    storage = storage_of(stored)
    shape, steps = _sides(size), _sides(stride)
    if shape is None or steps is None or len(shape) != len(steps) or not isinstance(offset, int) or offset < 0:
        raise InertPickleError("it has a tensor whose shape makes no sense")
    if storage is None:
        return StoredTensor(shape, _unreadable, "is in a kind of storage that is not known")
    if storage.on_meta:
        return StoredTensor(shape, _unreadable, _REFUSED["meta_tensor_no_storage"])
    if is_lazy_view:
        return StoredTensor(shape, _unreadable, "was saved as a conjugated or negated view; save `tensor.clone()`")
    kind, begin = dtype or storage.dtype, storage.start + offset
    has = storage.size_bytes
    last = begin + sum((side - 1) * step for side, step in zip(shape, steps, strict=True))
    if 0 not in shape and (last + 1) * kind.itemsize > has:
        raise InertPickleError(f"it has a tensor of shape {list(shape)} in a storage of {has} bytes")

    def read() -> Tensor:
        if 0 in shape:
            return torch.empty(shape, dtype=kind)
        raw = read_storage(storage.key, has)
        if len(raw) < has:
            raise InertPickleError(f"it has {len(raw)} bytes where {has} are needed")
        flat = torch.frombuffer(bytearray(raw), dtype=kind, count=has // kind.itemsize)
        return flat.as_strided(shape, steps, begin)

    return StoredTensor(shape, read)


def _sides(value: object) -> tuple[int, ...] | None:
    if isinstance(value, Foreign) and value.name == "torch.Size" and value.args:
        value = value.args[0]
    if not isinstance(value, tuple | list) or len(value) > _MOST_DIMENSIONS:
        return None
    sides = tuple(side for side in value if isinstance(side, int) and 0 <= side < 1 << 48)
    return sides if len(sides) == len(value) else None


def _unreadable() -> Tensor:
    raise InertPickleError("its numbers cannot be read")
