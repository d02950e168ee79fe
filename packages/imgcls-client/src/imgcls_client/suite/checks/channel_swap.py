"""Exchanging red and blue in an encoded image without decoding it."""

from __future__ import annotations

import struct
import zlib

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_BYTES_A_PIXEL = {2: 3, 6: 4}  # colour type → bytes, at 8 bits: RGB and RGBA


def swap_red_and_blue(image: bytes) -> bytes | None:
    """Exchanges red and blue of an 8-bit PNG, or gives None for any other file, which would need a decoder.

    Exact, because PNG filters work on each channel by itself, so that the first and third byte of every pixel can
    change places in the filtered rows already.
    """
    if not image.startswith(_PNG_START):
        return None
    chunks = _png_chunks(image)
    width, height, depth, colour, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
    pixel = _PNG_BYTES_A_PIXEL.get(colour)
    if depth != 8 or interlace or pixel is None:
        return None
    rows = bytearray(zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")))
    for row in range(height):
        start = row * (1 + width * pixel) + 1  # each row begins with the number of its filter
        end = start + width * pixel
        rows[start:end:pixel], rows[start + 2 : end : pixel] = rows[start + 2 : end : pixel], rows[start:end:pixel]
    kept = [chunk for chunk in chunks if chunk[0] in {b"IHDR", b"eXIf"}]
    return _PNG_START + b"".join(
        _png_chunk(*chunk) for chunk in (*kept, (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    )


def _png_chunks(image: bytes) -> list[tuple[bytes, bytes]]:
    """Takes a PNG apart: kind and data of each chunk."""
    chunks: list[tuple[bytes, bytes]] = []
    at = len(_PNG_START)
    while at + 8 <= len(image):
        (length,) = struct.unpack_from(">I", image, at)
        chunks.append((image[at + 4 : at + 8], image[at + 8 : at + 8 + length]))
        at += 12 + length
    return chunks


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
