"""What numpy puts into pickles, read from its inert stand-ins: arrays of numbers, and single numbers."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from imgcls_networks.weights.inert_pickle import Foreign, InertPickleError

_MODULES: Final = ("numpy.core.multiarray.", "numpy._core.multiarray.", "numpy.core.numeric.", "numpy._core.numeric.")
_CODES: Final = frozenset({"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "b1", "f2", "f4", "f8"})


def array_in(value: object) -> NDArray[Any] | None:
    """Gives the array that a stand-in describes; None where it is something else.

    Raises:
        InertPickleError: an array whose bytes are not those of its shape.
    """
    if not isinstance(value, Foreign):
        return None
    kind = _kind(value)
    if kind == "_reconstruct" and isinstance(value.state, tuple) and len(value.state) == 5:
        _, shape, dtype, columns_first, raw = value.state
        return _array(raw, dtype, shape, columns_first=columns_first is True)
    if kind == "_frombuffer" and len(value.args) == 4:
        raw, dtype, shape, order = value.args
        return _array(raw, dtype, shape, columns_first=order == "F")
    return None


def number_in(value: object) -> int | float | None:
    """Gives the number that numpy wrote as a scalar; None where it is something else."""
    if not isinstance(value, Foreign) or _kind(value) != "scalar" or len(value.args) != 2:
        return None
    found = _array(value.args[1], value.args[0], (), columns_first=False)
    return None if found is None else found.item()


def bytes_in(value: object) -> object:
    """Gives the bytes that were written as text, by Python 2 or for it; anything else as it is."""
    if isinstance(value, Foreign) and value.name == "_codecs.encode" and len(value.args) == 2:
        value = value.args[0]
    return value.encode("latin1") if isinstance(value, str) else value


def _kind(value: Foreign) -> str | None:
    module = next((module for module in _MODULES if value.name.startswith(module)), None)
    return None if module is None else value.name.removeprefix(module)


def _array(raw: object, dtype: object, shape: object, *, columns_first: bool) -> NDArray[Any] | None:
    if not isinstance(dtype, Foreign) or dtype.name != "numpy.dtype" or not dtype.args or dtype.args[0] not in _CODES:
        return None
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "="
    content = bytes_in(raw)
    if not isinstance(content, bytes) or not isinstance(shape, tuple) or order not in {"<", ">", "|", "="}:
        raise InertPickleError("it has an array without plain contents")
    kind = np.dtype(f"{order.replace('|', '=')}{dtype.args[0]}")
    sides = [side for side in shape if isinstance(side, int) and side >= 0]
    if len(sides) != len(shape) or math.prod(sides) * kind.itemsize != len(content):
        raise InertPickleError(f"it has an array of shape {shape!r:.80} in {len(content)} bytes")
    return np.frombuffer(content, kind).reshape(sides, order="F" if columns_first else "C")
