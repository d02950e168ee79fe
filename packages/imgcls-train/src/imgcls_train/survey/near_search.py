"""Finds images that look alike, whatever their size and encoding. Knows nothing of splits and classes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Of two encodings of one image, these differ in few bits of 128 (photos of 64 px that were shrunk by a quarter and
# saved again as JPEG: 95 of 100 in at most 9); of two different photos hardly ever in so few.
MAX_BITS: Final = 16
# Side of the small copies that are compared in the end, in pixels.
COARSE_PX: Final = 16
# Of 500 photos of 64 px, copies at half their size and JPEG quality 60 kept a correlation of 0.97 at least and
# differed by 10 of 255 levels (root mean square) and by 58 at one place at most. Of 50,000 different photos no two
# came closer than a correlation of 0.93; shapes that lie one pixel apart differ by more at their edges.
_LEAST_CORRELATION: Final = 0.96
_MOST_RMS: Final = 10.0
_MOST_AT_ONE_PLACE: Final = 60.0
# A first look at 4 × 4 tiles saves most comparisons of drawings on one ground, whose fingerprints are much alike.
_TILES: Final = 4
_MOST_OF_A_TILE: Final = 20.0
# Grey levels between the darkest and the lightest of 9 × 8 cells: below, what is left is noise, and any two blank
# walls would look alike.
_LEAST_CONTRAST: Final = 12
_BANDS: Final = 12
_BAND_BITS: Final = 10
_COMPARED_AT_ONCE: Final = 2048


def fingerprint(image: Image.Image) -> tuple[int, int] | None:
    """Gives an image's difference hash: whether each cell of a coarse grid is lighter than its left and upper one.

    Args:
        image: RGB, any size of at least 1 × 1 px.

    Returns:
        Two unsigned 64-bit numbers; None where the image is too flat to be told from others.

    Source:
        The difference hash ("dHash") in both directions.
    """
    grey = image.convert("L")
    across = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)  # [8, 9]
    if int(across.max()) - int(across.min()) < _LEAST_CONTRAST:
        return None
    down = np.asarray(grey.resize((8, 9), Image.Resampling.BOX), dtype=np.int16)  # [9, 8]
    bits = np.stack([(across[:, 1:] > across[:, :-1]).ravel(), (down[1:] > down[:-1]).ravel()])  # [2, 64]
    first, second = np.packbits(bits, axis=1).view(">u8").ravel().tolist()
    return first, second


def coarse_pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Shrinks an image to uint8 [16, 16, 3], where another size or encoding hardly shows."""
    return np.asarray(image.resize((COARSE_PX, COARSE_PX), Image.Resampling.BILINEAR))


def near_groups(fingerprints: NDArray[np.uint64], coarse: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Groups images that look the same as the first of their group.

    Candidates share one of 12 bands of their fingerprint's bits and differ in at most `MAX_BITS` of 128: a pair that
    differs in at most 11 is compared for certain, one that differs in up to 16 hardly ever is not. Then the pixels
    decide. The work grows far slower than the square of the number of images.

    Args:
        fingerprints: [N, 2], from `fingerprint`.
        coarse: uint8 [N, 16, 16, 3], from `coarse_pixels`.

    Returns:
        int64 [N], for each image the place of the first of its group.
    """
    # An image that joined another is compared no more: chains of small steps, as in a video, do not become one
    # group, and a thousand copies cost a thousand comparisons.
    first_of = np.arange(len(fingerprints))
    bits = np.unpackbits(fingerprints.astype(">u8").view(np.uint8), axis=1)  # [N, 2] → [N, 128]
    weights = (1 << np.arange(_BAND_BITS)).astype(np.int16)
    # Every 12th bit: what changed in one corner of an image then falls into many bands, a few bits in each.
    keys = np.stack([bits[:, band::_BANDS][:, :_BAND_BITS] @ weights for band in range(_BANDS)], axis=1)  # [N, 12]
    pairs = _Pairs(fingerprints, coarse)
    for band in range(_BANDS):
        alone = np.flatnonzero(first_of == np.arange(len(first_of)))
        places = alone[np.argsort(keys[alone, band], kind="stable")]
        _search_band(band, places, keys, pairs, first_of)
    while not np.array_equal(shorter := first_of[first_of], first_of):
        first_of = shorter
    return first_of


class _Pairs:
    """Compares images pair by pair, the cheap way first."""

    def __init__(self, fingerprints: NDArray[np.uint64], coarse: NDArray[np.uint8]) -> None:
        self._hashes = fingerprints
        self._pixels = coarse.reshape(-1, COARSE_PX * COARSE_PX * 3)  # [N, 768]
        quarter = COARSE_PX // _TILES
        tiles = coarse.reshape(-1, _TILES, quarter, _TILES, quarter * 3).mean(axis=(2, 4), dtype=np.float32)
        tiles = tiles.reshape(-1, _TILES * _TILES)  # [N, 4, 4, 4, 12] → [N, 16]
        self._tiles = tiles - tiles.mean(axis=1, keepdims=True)

    def near(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the fingerprints agree in all but a few bits: bool [pairs]."""
        return np.bitwise_count(self._hashes[left] ^ self._hashes[right]).sum(axis=1) <= MAX_BITS

    def same(self, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the pixels agree, whatever the brightness of the whole: bool [pairs]."""
        found = np.abs(self._tiles[left] - self._tiles[right]).max(axis=1) <= _MOST_OF_A_TILE
        candidates = np.flatnonzero(found)
        for start in range(0, len(candidates), _COMPARED_AT_ONCE):
            part = candidates[start : start + _COMPARED_AT_ONCE]
            a, b = (self._pixels[side[part]].astype(np.float32) for side in (left, right))
            a -= a.mean(axis=1, keepdims=True)  # [pairs, 768]
            b -= b.mean(axis=1, keepdims=True)
            scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
            correlated = (a * b).sum(axis=1) >= _LEAST_CORRELATION * scale
            difference = np.abs(a - b)
            small = np.sqrt((difference * difference).mean(axis=1)) <= _MOST_RMS
            found[part] = correlated & small & (difference.max(axis=1) <= _MOST_AT_ONE_PLACE)
        return found


def _search_band(
    band: int, places: NDArray[np.int64], keys: NDArray[np.int16], pairs: _Pairs, first_of: NDArray[np.int64]
) -> None:
    """Compares all with one key: neighbours in the sorted order first, then those two apart, and so on."""
    own = keys[places, band]
    at = np.arange(len(places))
    apart = 1
    while True:
        at = at[at + apart < len(places)]
        at = at[(own[at] == own[at + apart]) & (first_of[places[at]] == places[at])]
        if not len(at):
            return
        left, right = places[at], places[at + apart]
        chosen = pairs.near(left, right) & (first_of[right] == right)
        left, right = left[chosen], right[chosen]
        # What shares an earlier band has been compared there.
        new = ~(keys[left, :band] == keys[right, :band]).any(axis=1)
        left, right = left[new], right[new]
        same = pairs.same(left, right)
        for a, b in zip(left[same].tolist(), right[same].tolist(), strict=True):
            if first_of[a] == a and first_of[b] == b:
                first_of[max(a, b)] = min(a, b)
        apart += 1
