"""The fields of a protobuf message, found without knowing its schema; enough to tell an artifact's parts apart."""

from __future__ import annotations

import io
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
    """One field of a message in a file; its value may be read until the next field is asked for.

    Attributes:
        number: of the field.
        head: the bytes of its tag and its length, or of its tag and its number.
        integer: the number that it holds, where it holds one.
        start: where its value begins in the file.
        end: where it ends.
    """

    number: int
    head: bytes
    integer: int
    start: int
    end: int
    _file: BinaryIO

    @property
    def size(self) -> int:
        """Gives how many bytes of value there are; 0 for a number."""
        return self.end - self.start

    def fields(self) -> Iterator[Field]:
        """Gives the fields of a value that is a message itself. Raises as `read_fields`."""
        return _read_fields(self._file, self.end)

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
    """Gives the fields of a file that is one message, in their order.

    Raises:
        WireError: it is no message, or is cut off.
    """
    end = file.seek(0, io.SEEK_END)
    file.seek(0)
    return _read_fields(file, end)


def _read_fields(file: BinaryIO, end: int) -> Iterator[Field]:
    while file.tell() < end:
        tag, head = _read_varint(file)
        number, kind = tag >> 3, tag & 7
        size = integer = 0
        if kind == _VARINT:
            integer, more = _read_varint(file)
            head += more
        elif kind == _BYTES:
            size, more = _read_varint(file)
            head += more
        elif kind in {_FIXED64, _FIXED32}:
            size = 8 if kind == _FIXED64 else 4
        else:
            raise WireError(f"a field has type {kind}")
        start = file.tell()
        if number == 0 or start + size > end:
            raise WireError(f"field {number} at byte {start} is damaged or cut off")
        yield Field(number, head, integer, start, start + size, file)
        file.seek(start + size)


def encode_field(number: int, value: bytes) -> bytes:
    """Gives a field of bytes or text."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def _read_varint(file: BinaryIO) -> tuple[int, bytes]:
    """Gives a number and its bytes."""
    encoded = bytearray()
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
