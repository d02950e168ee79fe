"""The fields of a protobuf message, found without knowing its schema; enough to tell an artifact's parts apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10


class WireError(ValueError):
    """The bytes are no protobuf message, or end in the middle of one."""


@dataclass(frozen=True)
class Field:
    """Where one field of a message stands: its tag begins at `start`, its value at `value`; both end at `end`."""

    number: int
    start: int
    value: int
    end: int


def read_fields(message: memoryview) -> Iterator[Field]:
    """Finds the fields of a message, in their order.

    Raises:
        WireError: it is no message, or is cut off.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value_at, (_, end) = at, _varint(message, at)
        elif kind == _BYTES:
            length, value_at = _varint(message, at)
            end = value_at + length
        elif kind in {_FIXED64, _FIXED32}:
            value_at, end = at, at + (8 if kind == _FIXED64 else 4)
        else:
            raise WireError(f"a field of type {kind} at byte {start}")
        if number == 0 or end > len(message):
            raise WireError(f"a field at byte {start} that is damaged or cut off")
        yield Field(number, start, value_at, end)
        at = end


def encode_field(number: int, value: bytes) -> bytes:
    """Gives a field of bytes or text."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for i in range(_MAX_VARINT_BYTES):
        if at + i >= len(message):
            raise WireError(f"a number at byte {at} that is cut off")
        byte = message[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    raise WireError(f"a number at byte {at} that is too long")


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
