"""Exchanging the two chroma channels of a baseline JPEG by moving bits, without decoding a single pixel.

A baseline scan lists, for each small square of the picture, the blocks of Y, then of Cb, then of Cr. Where both chroma
channels share their tables, exchanging their bits exchanges the channels: each block is coded relative to the one
before it in its own channel.

Source: ITU-T T.81, annexes B (markers), C and F.2 (Huffman codes).
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["swap_chroma"]

START_OF_FRAME, HUFFMAN_TABLES, START_OF_SCAN, RESTART_INTERVAL = 0xC0, 0xC4, 0xDA, 0xDD
EXTENDED_FRAME = 0xC1
OTHER_FRAMES = frozenset({0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
RESTART = re.compile(rb"\xff[\xd0-\xd7]")
# For each 16 bits that may come next: how many are the code, and what it means.
Codes = list[tuple[int, int]]


@dataclass
class Scan:
    """What is known of a picture's only scan.

    Attributes:
        blocks: How many blocks of Y, Cb and Cr each square has.
        squares: How many squares there are.
        restart_squares: How many come between two restart markers; 0 without any.
        codes: Each channel's Huffman codes, of its first coefficient (DC) and of the others (AC).
        data: Where the coded bits begin and end in the file.
    """

    blocks: tuple[int, int, int]
    squares: int
    restart_squares: int
    codes: tuple[tuple[Codes, Codes], ...]
    data: tuple[int, int]


@dataclass
class Bits:
    """Bits that are written one behind the other."""

    done: bytearray = field(default_factory=bytearray)
    open_value: int = 0
    open_count: int = 0

    def add(self, value: int, count: int) -> None:
        """Add the lowest `count` bits of a value."""
        self.open_value = self.open_value << count | value
        self.open_count += count
        left = self.open_count % 8
        whole = self.open_count // 8
        self.done += (self.open_value >> left).to_bytes(whole, "big")
        self.open_value &= (1 << left) - 1
        self.open_count = left

    def finish(self) -> bytes:
        """Fill the last byte with ones, as the standard asks."""
        if self.open_count:
            missing = 8 - self.open_count
            self.add((1 << missing) - 1, missing)
        return bytes(self.done)


def swap_chroma(image: bytes) -> bytes | None:
    """Exchange Cb and Cr, or give None for a JPEG of another kind (progressive, grayscale, CMYK, several scans)."""
    scan = read_scan(image)
    if scan is None:
        return None
    start, end = scan.data
    swapped: list[bytes] = []
    left = scan.squares
    for coded in RESTART.split(image[start:end]):
        squares = min(left, scan.restart_squares or left)
        bits = swap_in_interval(coded.replace(b"\xff\x00", b"\xff"), scan, squares)
        if bits is None:
            return None
        swapped.append(bits.replace(b"\xff", b"\xff\x00"))
        left -= squares
    markers = [bytes((0xFF, 0xD0 + number % 8)) for number in range(len(swapped) - 1)]
    body = b"".join(piece + marker for piece, marker in zip(swapped, [*markers, b""], strict=True))
    return image[:start] + body + image[end:]


def segments(image: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Walk through the marker segments up to the scan: marker, place after the segment, content."""
    at = 2
    while at + 4 <= len(image) and image[at] == 0xFF:
        marker, (length,) = image[at + 1], struct.unpack_from(">H", image, at + 2)
        yield marker, at + 2 + length, image[at + 4 : at + 2 + length]
        if marker == START_OF_SCAN:
            return
        at += 2 + length


def read_scan(image: bytes) -> Scan | None:
    """Read everything up to the coded bits, or give None where chroma cannot be exchanged this way."""
    tables: dict[int, Codes] = {}
    frame, restart = b"", 0
    for marker, after, content in segments(image):
        if marker in OTHER_FRAMES:
            return None
        if marker in {START_OF_FRAME, EXTENDED_FRAME}:
            frame = content
        elif marker == HUFFMAN_TABLES:
            tables |= dict(read_tables(content))
        elif marker == RESTART_INTERVAL:
            (restart,) = struct.unpack(">H", content)
        elif marker == START_OF_SCAN:
            return scan_of(frame, content, tables, restart, (after, image.rfind(b"\xff\xd9")))
    return None


def scan_of(frame: bytes, head: bytes, tables: dict[int, Codes], restart: int, data: tuple[int, int]) -> Scan | None:
    """Put a scan together: three channels in one scan, both chroma channels alike."""
    if len(frame) != 15 or frame[5] != 3 or head[0] != 3 or data[1] < data[0]:
        return None
    chroma_alike = frame[10:12] == frame[13:15] and head[4] == head[6]
    if not chroma_alike:
        return None
    height, width = struct.unpack_from(">HH", frame, 1)
    factors = [(frame[at] >> 4, frame[at] & 15) for at in (7, 10, 13)]
    across, down = (max(factor[axis] for factor in factors) * 8 for axis in (0, 1))
    codes = [(tables.get(head[at] >> 4), tables.get(0x10 | head[at] & 15)) for at in (2, 4, 6)]
    known = tuple((dc, ac) for dc, ac in codes if dc is not None and ac is not None)
    if len(known) != 3:
        return None
    first, second, third = (horizontal * vertical for horizontal, vertical in factors)
    return Scan((first, second, third), -(-width // across) * -(-height // down), restart, known, data)


def read_tables(content: bytes) -> Iterator[tuple[int, Codes]]:
    """Read Huffman tables: class and number, and what each 16 bits mean."""
    at = 0
    while at + 17 <= len(content):
        counts = content[at + 1 : at + 17]
        symbols = iter(content[at + 17 : at + 17 + sum(counts)])
        codes: Codes = []
        for length, count in enumerate(counts, start=1):
            for _ in range(count):
                codes += [(length, next(symbols))] * (1 << 16 - length)
        # Bits that are no code: length 0 marks a damaged picture.
        yield content[at], codes + [(0, 0)] * ((1 << 16) - len(codes))
        at += 17 + sum(counts)


def swap_in_interval(coded: bytes, scan: Scan, squares: int) -> bytes | None:
    """Exchange the bits of Cb and Cr in every square, or give None for bits that are no picture."""
    padded = coded + bytes(8)
    bits, at, end = Bits(), 0, len(coded) * 8

    def take(start: int, until: int) -> None:
        piece = int.from_bytes(padded[start >> 3 : (until + 7) >> 3], "big") >> (-until % 8)
        bits.add(piece & ((1 << until - start) - 1), until - start)

    for _ in range(squares):
        places = [at]
        for blocks, (dc, ac) in zip(scan.blocks, scan.codes, strict=True):
            for _ in range(blocks):
                at = after_block(padded, at, dc, ac)
                if at < 0 or at > end:
                    return None
            places.append(at)
        luma, cb, cr, next_square = places
        take(luma, cb)
        take(cr, next_square)
        take(cb, cr)
    return bits.finish()


def after_block(padded: bytes, at: int, dc: Codes, ac: Codes) -> int:
    """Find the bit behind a block of 64 coefficients, or -1 for bits that are no code."""

    def coming(bit: int) -> int:
        byte = bit >> 3
        return int.from_bytes(padded[byte : byte + 3], "big") >> (8 - (bit & 7)) & 0xFFFF

    length, size = dc[coming(at)]
    if not length:
        return -1
    at += length + size
    coefficient = 1
    while coefficient < 64:
        length, symbol = ac[coming(at)]
        if not length:
            return -1
        at += length + (symbol & 15)
        if symbol == 0:
            break
        coefficient += (symbol >> 4) + 1
    return at
