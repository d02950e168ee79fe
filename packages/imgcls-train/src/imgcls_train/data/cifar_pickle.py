"""Reads pickles that hold numbers and text in containers, and runs nothing that is in them.

A pickle names functions that the reader shall call. Here every name but numpy's way to write an array is refused,
and those few names lead to functions of this file: nothing of numpy, and nothing of the file's choice, is called.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

_MODULES: Final = ("numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric", "numpy._core.numeric")


class ForeignPickleError(ValueError):
    """The pickle is damaged, or holds something else than numbers and text in containers."""


class _Dtype:
    """Stands for `numpy.dtype`: a kind of integer of at most 8 bytes."""

    def __init__(self, code: object, *_: object) -> None:
        if code not in {"u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "b1"}:
            raise ForeignPickleError(f"it has an array of type {code!r}, where integers are expected")
        self._code, self._order = str(code).replace("b1", "u1"), "="

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - whatever the file holds
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in {"<", ">", "|", "="}:
            raise ForeignPickleError("it has an array of a type that is not known")
        self._order = state[1]

    def array(self, raw: object, shape: object, *, columns_first: bool = False) -> NDArray[Any]:
        """Makes the array when its bytes are exactly as many as its shape says."""
        content = raw.encode("latin1") if isinstance(raw, str) else raw
        dtype = np.dtype(self._order + self._code) if self._order != "|" else np.dtype(self._code)
        if not isinstance(content, bytes | bytearray) or not isinstance(shape, tuple):
            raise ForeignPickleError("it has an array without plain contents")
        sides = [side for side in shape if isinstance(side, int) and side >= 0]
        if len(sides) != len(shape) or int(np.prod(sides, dtype=object)) * dtype.itemsize != len(content):
            raise ForeignPickleError(f"it has an array of shape {shape!r:.80} in {len(content)} bytes")
        return np.frombuffer(content, dtype).reshape(sides, order="F" if columns_first else "C")


class _Array:
    """Stands for an `numpy.ndarray` whose contents follow."""

    found: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401 - whatever the file holds
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Dtype):
            raise ForeignPickleError("it has an array in a form that is not known")
        self.found = state[2].array(state[4], state[1], columns_first=bool(state[3]))


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(raw: object, dtype: object, shape: object, order: object) -> NDArray[Any]:
    if not isinstance(dtype, _Dtype):
        raise ForeignPickleError("it has an array of a type that is not known")
    return dtype.array(raw, shape, columns_first=order == "F")


def _scalar(dtype: object, raw: object) -> int:
    if not isinstance(dtype, _Dtype):
        raise ForeignPickleError("it has a number of a type that is not known")
    return int(dtype.array(raw, ()))


def _encode(text: object, encoding: object) -> bytes:
    """Stands for `_codecs.encode`, by which Python 3 writes bytes that Python 2 can read."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ForeignPickleError("it has text in an encoding that is not known")
    return text.encode("latin1")


_ALLOWED: Final[dict[tuple[str, str], Any]] = {
    **{(module, "_reconstruct"): _reconstruct for module in _MODULES},
    **{(module, "_frombuffer"): _from_buffer for module in _MODULES},
    **{(module, "scalar"): _scalar for module in _MODULES},
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:  # noqa: ANN401 - as in the base
        """Gives a function of this file, or refuses."""
        if (module_name, global_name) not in _ALLOWED:
            _refuse(module_name, global_name)
        return _ALLOWED[module_name, global_name]


def _refuse(module: str, name: str) -> NoReturn:
    raise ForeignPickleError(f"it asks for {f'{module}.{name}'!r:.80}, which no dataset needs; nothing was run")


def read_pickle(raw: bytes) -> dict[str, Any]:
    """Reads a dictionary of numbers, text, lists and integer arrays, as Python 2 or 3 wrote it.

    Args:
        raw: a pickle of any protocol.

    Returns:
        The dictionary, its keys as text; text that Python 2 wrote is read as Latin-1.

    Raises:
        ForeignPickleError: damaged, no dictionary, or something else inside.
    """
    try:
        content = _Unpickler(io.BytesIO(raw), encoding="latin1").load()
    except ForeignPickleError:
        raise
    except (
        pickle.UnpicklingError,
        EOFError,
        MemoryError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise ForeignPickleError(f"it is damaged ({error})") from error
    except (AttributeError, ImportError, RecursionError) as error:
        raise ForeignPickleError(f"it holds something else than numbers and text ({error})") from error
    if not isinstance(content, dict):
        raise ForeignPickleError(f"it holds a {type(content).__name__}, where a dictionary is expected")
    return {_text(key): value.found if isinstance(value, _Array) else value for key, value in content.items()}


def _text(key: object) -> str:
    return key.decode("latin1") if isinstance(key, bytes) else str(key)
