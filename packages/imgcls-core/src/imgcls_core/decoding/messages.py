"""What a decode process and its owner tell each other: a head in JSON and bytes after it, each with its length."""

from __future__ import annotations

import struct
from typing import IO, Final

import msgspec

from imgcls_core.artifact.preprocessing import Preprocessing
from imgcls_core.errors import ImageError, ImageTooLargeError, ImageUndecodableError
from imgcls_core.images.decode import DecodeLimits

_LENGTHS: Final = struct.Struct("<II")


class DecodeRequest(msgspec.Struct, frozen=True):
    """What is to be done with the image that follows."""

    preprocessing: Preprocessing
    max_bytes: int
    max_pixels: int

    @property
    def limits(self) -> DecodeLimits:
        """Largest image that is decoded."""
        return DecodeLimits(self.max_bytes, self.max_pixels)


class DecodeReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of the image; the pixels follow unless something was wrong with it.

    Args:
        width_px: upright size of the image.
        height_px: likewise.
        shape: of the pixels.
        reason: why it cannot be decoded.
        actual: how much it has of what is limited, where it is too large.
        limit: how much is allowed.
        unit: of both.
        is_out_of_memory: whether it needs more than the process may have.
    """

    width_px: int = 0
    height_px: int = 0
    shape: tuple[int, int] = (0, 0)
    reason: str | None = None
    actual: int = 0
    limit: int = 0
    unit: str | None = None
    is_out_of_memory: bool = False

    @classmethod
    def of_error(cls, error: ImageError) -> DecodeReply:
        """Gives the reply for an image that is refused."""
        if isinstance(error.__cause__, MemoryError):
            return cls(is_out_of_memory=True)
        if isinstance(error, ImageTooLargeError):
            return cls(actual=error.actual, limit=error.limit, unit=error.unit)
        return cls(reason=error.reason if isinstance(error, ImageUndecodableError) else str(error))


def write_message(stream: IO[bytes], head: msgspec.Struct, body: bytes | bytearray | memoryview = b"") -> None:
    """Writes a head and what follows it."""
    encoded = msgspec.json.encode(head)
    stream.write(_LENGTHS.pack(len(encoded), len(body)) + encoded)
    stream.write(body)
    stream.flush()


def read_message(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """Reads a head, still as JSON, and what follows it.

    Raises:
        EOFError: the other side has ended.
    """
    head, body = _LENGTHS.unpack(_read(stream, _LENGTHS.size))
    return _read(stream, head), _read(stream, body)


def _read(stream: IO[bytes], length: int) -> bytes:
    found = stream.read(length)
    if len(found) < length:
        raise EOFError
    return found
