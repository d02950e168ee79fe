"""Files that are small to send and costly to decode, made by the rules of their formats; each says what it attacks.

    python tests/hostile/hostile_images.py FOLDER

writes them all.
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

PIXELS = 24_900_000


def bmp_of_short_lines() -> bytes:
    """Run-length lines of one pixel that end at once: Pillow pads each pixel of the rest in Python."""
    width, height = 65_000, PIXELS // 65_000
    body = b"\x01\x01\x00\x00" * height + b"\x00\x01"
    palette = b"\0\0\0\0\xff\xff\xff\0"
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(body), 0, 0, 2, 2)
    start = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + palette + body


def jpeg_of_many_scans(scans: int = 20_000) -> bytes:
    """A progressive file that goes over all pixels again for each of many empty scans."""
    buffer = io.BytesIO()
    Image.new("RGB", (4900, 4900), (200, 30, 30)).save(buffer, "JPEG", progressive=True, quality=30)
    whole = buffer.getvalue()
    last = whole.rindex(b"\xff\xda")
    (length,) = struct.unpack_from(">H", whole, last + 2)
    head = whole[last : last + 2 + length]
    return whole[:-2] + (head + b"\x00" * 8) * scans + b"\xff\xd9"


def jpeg_of_fill_bytes(size: int = 19_000_000) -> bytes:
    """Padding before a marker, which Pillow skips one by one in Python."""
    plain = _plain_jpeg()
    return plain[:2] + b"\xff" * size + plain[2:]


def jpeg_of_many_markers(markers: int = 4_700_000) -> bytes:
    """Millions of empty segments."""
    plain = _plain_jpeg()
    return plain[:2] + b"\xff\xfe\x00\x02" * markers + plain[2:]


def jpeg_of_many_exif_segments() -> bytes:
    """EXIF in many segments whose entries each point at all of it."""
    entries = 60_000
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", entries)
    tiff += b"".join(struct.pack(">HHII", 0x9000 + place % 4000, 7, 600_000, 8) for place in range(entries))
    tiff += bytes(4)
    segments = b""
    for start in range(0, len(tiff), 65_000):
        part = b"Exif\0\0" + tiff[start : start + 65_000]
        segments += b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part
    plain = _plain_jpeg()
    return plain[:2] + segments + plain[2:]


def tiff_of_many_strips(strips: int = 2_400_000) -> bytes:
    """A strip for each row, millions of them; each is a Python object before a pixel is asked for."""
    return _tiff({256: 1, 257: strips, 278: 1}, offsets=273, counts=279, number=strips)


def tiff_of_small_tiles() -> bytes:
    """Tiles of 16 × 16 pixels over 25 million."""
    side = 4976
    return _tiff({256: side, 257: side, 322: 16, 323: 16}, offsets=324, counts=325, number=(side // 16) ** 2)


def webp_with_transparency() -> bytes:
    """Two thousand bytes of 25 million transparent pixels; its decoder holds several copies."""
    buffer = io.BytesIO()
    Image.new("RGBA", (4980, 4980), (9, 9, 9, 128)).save(buffer, "WEBP", lossless=True, method=0)
    return buffer.getvalue()


def png_of_many_chunks(chunks: int = 1_600_000) -> bytes:
    """Empty chunks of pixels, which Pillow reads one by one in Python."""
    empty = _chunk(b"IDAT", b"")
    return _png(64, 64, lambda pixels: empty * chunks + _chunk(b"IDAT", pixels))


def png_interlaced() -> bytes:
    """25 million pixels of nothing, in seven passes."""
    return _png(4980, 4980, lambda pixels: _chunk(b"IDAT", pixels), interlace=1)


def png_with_much_text() -> bytes:
    """Compressed texts, each of a megabyte."""
    text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1_000_000)))
    return _png(64, 64, lambda pixels: text * 60 + _chunk(b"IDAT", pixels))


def gif_of_many_blocks(blocks: int = 4_000_000) -> bytes:
    """Millions of comment blocks, which Pillow reads one by one in Python."""
    buffer = io.BytesIO()
    Image.new("P", (8, 8)).save(buffer, "GIF")
    whole = buffer.getvalue()
    image = whole.index(b"\x2c")
    return whole[:image] + b"\x21\xfe" + b"\x01x" * blocks + b"\x00" + whole[image:]


def gif_of_25_million_pixels() -> bytes:
    """A large frame of one colour."""
    buffer = io.BytesIO()
    Image.new("P", (4980, 4980)).save(buffer, "GIF")
    return buffer.getvalue()


def gif_of_many_frames(frames: int = 20_000) -> bytes:
    """An animation, of which the first frame counts."""
    buffer = io.BytesIO()
    Image.new("P", (64, 64)).save(buffer, "GIF")
    whole = buffer.getvalue()
    image = whole.index(b"\x2c")
    return whole[:image] + whole[image:-1] * frames + b";"


def webp_of_many_frames(frames: int = 1000) -> bytes:
    """The same, whose decoder reads all of it first."""
    buffer = io.BytesIO()
    first, *others = (Image.new("RGB", (64, 64), (place % 250, 9, 9)) for place in range(frames))
    first.save(buffer, "WEBP", save_all=True, append_images=others, method=0)
    return buffer.getvalue()


def webp_of_many_chunks(chunks: int = 2_000_000) -> bytes:
    """Empty chunks of an unknown kind."""
    return _webp_with(b"abcd\0\0\0\0" * chunks)


def webp_with_much_exif() -> bytes:
    """65,000 entries, each of which Pillow reads in Python."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "WEBP", exif=_exif(65_000))
    return buffer.getvalue()


def png_of_many_frames(frames: int = 10_000) -> bytes:
    """An animated PNG."""
    control = _chunk(b"acTL", struct.pack(">II", frames, 0))
    frame = _chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 64, 64, 0, 0, 1, 1, 0, 0))
    pixels = zlib.compress(bytes(64 * 193))
    more = b"".join(
        _chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * place + 1, 64, 64, 0, 0, 1, 1, 0, 0))
        + _chunk(b"fdAT", struct.pack(">I", 2 * place + 2) + pixels)
        for place in range(frames)
    )
    return _png(64, 64, lambda pixels: control + frame + _chunk(b"IDAT", pixels) + more)


def png_with_a_large_profile() -> bytes:
    """A colour profile of 100 MB in 0.1 MB."""
    profile = _chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100_000_000)))
    return _png(64, 64, lambda pixels: profile + _chunk(b"IDAT", pixels))


def jpeg_of_many_pictures() -> bytes:
    """An index of pictures (MPO) that points at itself."""
    plain = _plain_jpeg()
    index = b"MPF\0" + _exif(5000)
    return plain[:2] + b"\xff\xe2" + struct.pack(">H", len(index) + 2) + index + plain[2:]


def jpeg_of_many_resources() -> bytes:
    """Photoshop's resources, which Pillow reads one by one in Python."""
    resources = b"Photoshop 3.0\0" + (b"8BIM\x04\x04" + bytes(6)) * 5400
    segment = b"\xff\xed" + struct.pack(">H", len(resources) + 2) + resources
    plain = _plain_jpeg()
    return plain[:2] + segment * 290 + plain[2:]


def tiff_of_a_deflated_plane() -> bytes:
    """25 million pixels in one strip of 24 KB."""
    buffer = io.BytesIO()
    Image.new("L", (4980, 4980)).save(buffer, "TIFF", compression="tiff_deflate", strip_size=30_000_000)
    return buffer.getvalue()


def tiff_of_pages_in_a_circle() -> bytes:
    """Its second page is its first."""
    buffer = io.BytesIO()
    Image.new("L", (64, 64)).save(buffer, "TIFF")
    whole = bytearray(buffer.getvalue())
    (directory,) = struct.unpack_from("<I", whole, 4)
    (entries,) = struct.unpack_from("<H", whole, directory)
    struct.pack_into("<I", whole, directory + 2 + 12 * entries, directory)
    return bytes(whole)


def avif_of_25_million_pixels() -> bytes:
    """A few hundred bytes of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (4980, 4980), (9, 9, 9)).save(buffer, "AVIF", speed=10, quality=10)
    return buffer.getvalue()


def _exif(entries: int) -> bytes:
    """Entries that each point at the same bytes."""
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + struct.pack(">H", entries)
    tiff += b"".join(struct.pack(">HHII", tag, 7, 12 * entries - 8, 8) for tag in range(1, entries + 1))
    return tiff + bytes(4)


def _webp_with(more: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "WEBP", exif=b"x")
    whole = buffer.getvalue() + more
    return whole[:4] + struct.pack("<I", len(whole) - 8) + whole[8:]


def _plain_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, middle: Callable[[bytes], bytes], interlace: int = 0) -> bytes:
    pixels = zlib.compress(bytes((width * 3 + 8) * (height + 8)), 9)
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + header + middle(pixels) + _chunk(b"IEND", b"")


def _tiff(tags: dict[int, int], *, offsets: int, counts: int, number: int) -> bytes:
    tags = {258: 8, 259: 1, 262: 1, 277: 1} | tags
    data = 8
    table = data + 256
    entries = {tag: struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()}
    entries[offsets] = struct.pack("<HHII", offsets, 4, number, table)
    entries[counts] = struct.pack("<HHII", counts, 4, number, table + 4 * number)
    directory = table + 8 * number
    body = struct.pack("<I", data) * number + struct.pack("<I", 1) * number
    listing = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return b"II\x2a\x00" + struct.pack("<I", directory) + bytes(256) + body + listing


IMAGES: dict[str, Callable[[], bytes]] = {
    make.__name__: make
    for make in (
        bmp_of_short_lines,
        jpeg_of_many_scans,
        jpeg_of_fill_bytes,
        jpeg_of_many_markers,
        jpeg_of_many_exif_segments,
        tiff_of_many_strips,
        tiff_of_small_tiles,
        webp_with_transparency,
        png_of_many_chunks,
        png_interlaced,
        png_with_much_text,
        gif_of_many_blocks,
        gif_of_25_million_pixels,
        gif_of_many_frames,
        webp_of_many_frames,
        webp_of_many_chunks,
        webp_with_much_exif,
        png_of_many_frames,
        png_with_a_large_profile,
        jpeg_of_many_pictures,
        jpeg_of_many_resources,
        tiff_of_a_deflated_plane,
        tiff_of_pages_in_a_circle,
        avif_of_25_million_pixels,
    )
}


if __name__ == "__main__":
    for name, make in IMAGES.items():
        (Path(sys.argv[1]) / name).write_bytes(make())
