"""What an image's header says of the work that decoding it takes; nothing is decoded and nothing large allocated.

An ordinary image is one whose decoding is bounded by its pixels, and those by the limits here: at most a few tenths of
a second and some bytes a pixel. Everything else may be harmless or an attack, which cannot be told without doing the
work: whoever decodes for callers that are not trusted does it in a process that can be ended.
"""

from __future__ import annotations

import struct
from typing import Final

Encoded = bytes | bytearray | memoryview

# Measured at these limits on one core of a shared machine: at most 0.3 s; 4 to 13 bytes a pixel, with transparency 20.
_MAX_PIXELS: Final = 16_777_216
_MAX_WEBP_PIXELS: Final = 8_388_608
_MAX_ALPHA_PIXELS: Final = 4_194_304
_MAX_SIDE_PX: Final = 16_384
# Each scan of a progressive JPEG goes over all pixels again.
_MAX_SCANNED_PIXELS: Final = 33_554_432
_MAX_SCANS: Final = 20
# Pillow's parsers read these one by one in Python, holding the interpreter.
_MAX_SEGMENTS: Final = 64
_MAX_METADATA_BYTES: Final = 262_144
_MIN_CHUNK_BYTES: Final = 1024
# As much as a JPEG's segment holds; each dozen bytes may be an entry.
_MAX_EXIF_BYTES: Final = 65_536

_SOF: Final = frozenset({0xC0, 0xC1, 0xC2})
_SOF_PROGRESSIVE: Final = 0xC2
_SOS: Final = 0xDA
_APP1: Final = 0xE1
_JPEG_PLAIN: Final = frozenset({0xC4, 0xDB, 0xDD, 0xE0, *range(0xE2, 0xF0), 0xFE})
# One for EXIF, one for XMP.
_MAX_APP1_SEGMENTS: Final = 2
_PNG_CHUNKS: Final = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"tIME", b"sBIT"}
)
_PNG_METADATA: Final = frozenset({b"iCCP", b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"bKGD", b"hIST", b"tRNS", b"cICP"})
# Each may become a megabyte.
_PNG_COMPRESSED: Final = frozenset({b"iCCP", b"iTXt", b"zTXt"})
_MAX_COMPRESSED: Final = 4


def ordinary_pixels(encoded: Encoded) -> int | None:
    """Gives the number of pixels where decoding takes bounded time and memory; None where that cannot be told."""
    head = bytes(encoded[:12])
    try:
        if head.startswith(b"\xff\xd8\xff"):
            return _jpeg_pixels(encoded)
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png_pixels(encoded)
        if head.startswith(b"RIFF") and head.endswith(b"WEBP"):
            return _webp_pixels(encoded)
        if head.startswith(b"BM"):
            return _bmp_pixels(encoded)
    except (IndexError, struct.error):
        return None  # it ends within its header
    return None


def _within(width: int, height: int, most: int) -> int | None:
    fits = 0 < width <= _MAX_SIDE_PX and 0 < height <= _MAX_SIDE_PX and width * height <= most
    return width * height if fits else None


def _jpeg_pixels(encoded: Encoded) -> int | None:
    place, app1_segments = 2, 0
    frame: tuple[int, int, bool] | None = None
    for _ in range(_MAX_SEGMENTS):
        sign, marker, length = struct.unpack_from(">BBH", encoded, place)
        if sign != 0xFF:
            return None
        if marker in _SOF and frame is None:
            bits, height, width, components = struct.unpack_from(">BHHB", encoded, place + 4)
            pixels = _within(width, height, _MAX_PIXELS)
            if pixels is None or bits != 8 or components not in {1, 3}:
                return None
            frame = (pixels, components, marker == _SOF_PROGRESSIVE)
        elif marker == _SOS:
            return _scanned_pixels(encoded, place, frame) if frame is not None else None
        elif marker == _APP1 and app1_segments < _MAX_APP1_SEGMENTS:
            app1_segments += 1
        elif marker not in _JPEG_PLAIN:
            return None  # fill bytes, arithmetic coding, lossless and hierarchical frames, what belongs elsewhere
        place += 2 + length
    return None


def _scanned_pixels(encoded: Encoded, first_scan: int, frame: tuple[int, int, bool]) -> int | None:
    pixels, components, is_progressive = frame
    if not is_progressive:
        return pixels if encoded[first_scan + 4] == components else None
    # Within scans such a pair of bytes always begins another one; within metadata it may be chance.
    scans = bytes(encoded).count(b"\xff\xda")
    return pixels if scans <= _MAX_SCANS and pixels * scans <= _MAX_SCANNED_PIXELS else None


def _png_pixels(encoded: Encoded) -> int | None:
    width, height, bits, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", encoded, 16)
    pixels = _within(width, height, _MAX_ALPHA_PIXELS if colour in {4, 6} else _MAX_PIXELS)
    if interlace or bits > 8 or pixels is None:
        return None
    place, metadata_bytes, compressed = 8, 0, 0
    for _ in range(_MAX_SEGMENTS + len(encoded) // _MIN_CHUNK_BYTES):
        if place >= len(encoded):
            return pixels
        length, kind = struct.unpack_from(">I4s", encoded, place)
        if kind in _PNG_METADATA:
            metadata_bytes += length
            compressed += kind in _PNG_COMPRESSED
            is_large = (kind == b"tRNS" and pixels > _MAX_ALPHA_PIXELS) or (
                kind == b"eXIf" and length > _MAX_EXIF_BYTES
            )
            if is_large or metadata_bytes > _MAX_METADATA_BYTES or compressed > _MAX_COMPRESSED:
                return None
        elif kind not in _PNG_CHUNKS:
            return None
        if kind == b"IEND":
            return pixels
        place += 12 + length
    return None


def _webp_pixels(encoded: Encoded) -> int | None:
    kind = bytes(encoded[12:16])
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", encoded, 26)
        return _within(width & 0x3FFF, height & 0x3FFF, _MAX_WEBP_PIXELS)
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", encoded, 21)
        return _within((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, _MAX_ALPHA_PIXELS)
    if kind == b"VP8X" and not encoded[20] & 0x02:  # not animated
        # Three bytes each; unpacking them tells where the file ends before.
        width_low, width_high, height_low, height_high = struct.unpack_from("<HBHB", encoded, 24)
        width, height = (width_high << 16 | width_low) + 1, (height_high << 16 | height_low) + 1
        return _within(width, height, _MAX_ALPHA_PIXELS) if _is_webp_plain(encoded) else None
    return None


def _is_webp_plain(encoded: Encoded) -> bool:
    """Whether there are few chunks, with little besides pixels."""
    place, metadata_bytes = 12, 0
    for _ in range(_MAX_SEGMENTS):
        if place + 8 > len(encoded):
            return metadata_bytes <= _MAX_METADATA_BYTES
        kind, length = struct.unpack_from("<4sI", encoded, place)
        if kind not in {b"VP8X", b"VP8 ", b"VP8L", b"ALPH"}:  # codespell:ignore alph
            metadata_bytes += length
        if kind == b"EXIF" and length > _MAX_EXIF_BYTES:
            return False
        place += 8 + length + length % 2
    return False


def _bmp_pixels(encoded: Encoded) -> int | None:
    header, width, height, _, bits, compression = struct.unpack_from("<IiiHHI", encoded, 14)
    is_plain = header >= 40 and compression == 0 and bits in {1, 4, 8, 24, 32}
    return _within(width, abs(height), _MAX_PIXELS) if is_plain else None
