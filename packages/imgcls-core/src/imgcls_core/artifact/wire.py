"""The fields of a protobuf message, found without knowing its schema; enough to tell an artifact's parts apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES: Final = 10
_CHUNK_BYTES: Final = 1 << 20


class WireError(ValueError):
    """The bytes are no protobuf message, or end in the middle of one."""


@dataclass(frozen=True)
class Field:
    """One field of a message that is being read; its value is to be read before the next field is asked for.

    Attributes:
        number: of the field.
        head: the bytes of its tag and its length, or of its tag and its number.
        size: how many bytes of value follow; 0 for a number.
    """

    number: int
    head: bytes
    size: int
    _file: BinaryIO

    def chunks(self) -> Iterator[bytes]:
        """Gives the value piece by piece.

        Raises:
            WireError: it is cut off.
        """
        left = self.size
        while left:
            chunk = self._file.read(min(left, _CHUNK_BYTES))
            if not chunk:
                raise WireError(f"field {self.number} lacks its last {left} bytes")
            left -= len(chunk)
            yield chunk

    def value(self) -> bytes:
        """Gives the whole value. Raises as `chunks`."""
        return b"".join(self.chunks())


def read_fields(file: BinaryIO) -> Iterator[Field]:
    """Gives the fields of a message in their order.

    Raises:
        WireError: it is no message, or is cut off.
    """
    while (first := file.read(1)) != b"":
        tag, head = _read_varint(file, first)
        number, kind = tag >> 3, tag & 7
        size = 0
        if kind == _VARINT:
            head += _read_varint(file)[1]
        elif kind == _BYTES:
            size, length = _read_varint(file)
            head += length
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"a field has type {kind}")
        if number == 0:
            raise WireError("a field has number 0")
        yield Field(number, head, size, file)


def encode_field(number: int, value: bytes) -> bytes:
    """Gives a field of bytes or text."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _read_varint(file: BinaryIO, read: bytes = b"") -> tuple[int, bytes]:
    """Gives a number and its bytes, of which the first may have been read already."""
    encoded = bytearray(read)
    while not encoded or encoded[-1] >= 0x80:
        if len(encoded) == _MAX_VARINT_BYTES or (byte := file.read(1)) == b"":
            raise WireError("a number is too long or cut off")
        encoded += byte
    return sum((byte & 0x7F) << (7 * i) for i, byte in enumerate(encoded)), bytes(encoded)


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
