"""Encoded bytes → upright RGB pixels, within limits; decides nothing about the network's input."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,  # noqa: F401 - each makes its format known  # pyright: ignore[reportUnusedImport]
    BmpImagePlugin,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    GifImagePlugin,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    Image,
    JpegImagePlugin,
    PngImagePlugin,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    TiffImagePlugin,  # noqa: F401  # pyright: ignore[reportUnusedImport]
    WebPImagePlugin,  # noqa: F401  # pyright: ignore[reportUnusedImport]
)

from imgcls_core.errors import ImageTooLargeError, ImageUndecodableError
from imgcls_core.images.other_files import check_not_raw, check_not_stripped, open_other

ImageSource: TypeAlias = bytes | bytearray | memoryview | str | Path | BinaryIO | Image.Image | NDArray[np.uint8]

LeastSize: TypeAlias = Callable[[int, int], tuple[int, int]]
_Decoded = TypeVar("_Decoded")

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")

# Above twice its MAX_IMAGE_PIXELS Pillow refuses by itself (a process-wide setting that is left alone here).
PILLOW_MAX_PIXELS: Final = 178_956_970

# No JPEG has more.
_MAX_SIDE_PX: Final = 65_535
_ROWS_AT_A_TIME: Final = 64

_EXIF_ORIENTATION: Final = 0x0112
_ON_THEIR_SIDE: Final = frozenset({5, 6, 7, 8})
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow's parsers let through on damaged files besides their own errors. A damaged file is the sender's
# fault, so all of these mean "undecodable"; anything else is a bug and must surface.
_DAMAGED: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,  # where warnings are turned into errors
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class DecodedImage:
    """An image, upright and RGB, and the upright size that it had before it was decoded at a reduced scale."""

    image: Image.Image
    width_px: int
    height_px: int


@dataclass(frozen=True)
class DecodeLimits:
    """Limits that are checked before pixels are allocated.

    Args:
        max_bytes: largest encoded image, in bytes.
        max_pixels: largest image, width × height; at most 178,956,970, where Pillow itself refuses.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000

    def __post_init__(self) -> None:
        if self.max_bytes < 1:
            raise ValueError(f"max_bytes is {self.max_bytes}; it must be at least 1")
        if not 1 <= self.max_pixels <= PILLOW_MAX_PIXELS:
            raise ValueError(f"max_pixels is {self.max_pixels}; it must be 1 to {PILLOW_MAX_PIXELS}")


def decode_image(source: ImageSource, limits: DecodeLimits) -> Image.Image:
    """Decodes one image to RGB, the right way up.

    The first frame of an animation and the first page of a TIFF are taken. Grayscale, palette, CMYK and 16-bit
    images become 8-bit RGB (of 16 bits the high byte); transparent pixels are laid over white.

    Args:
        source: encoded bytes, a path, a binary file, a PIL image, or RGB pixels uint8 [H, W, 3].
        limits: checked before anything is decoded.

    Returns:
        A loaded PIL image of mode RGB.

    Raises:
        ImageUndecodableError: empty, not an image of a known format, corrupt, truncated, of zero size.
        ImageTooLargeError: more bytes or pixels than allowed.
        OSError: a path that cannot be read.
    """
    return decode_reduced(source, limits, None).image


def decode_reduced(source: ImageSource, limits: DecodeLimits, least: LeastSize | None) -> DecodedImage:
    """Decodes as `decode_image`; a JPEG at the smallest of 1/8, 1/4 and 1/2 that leaves it as large as is needed.

    Args:
        source: as of `decode_image`; what is decoded already is taken whole.
        limits: of the image as it is.
        least: upright width and height in pixels → those below which it must not fall; None decodes whole.

    Raises:
        ImageError: as `decode_image`.
    """
    if isinstance(source, np.ndarray):
        return _whole(_from_pixels(source, limits))
    if isinstance(source, Image.Image):
        _check_pixels(source.size, limits)
        return _whole(_guarded(lambda: _to_rgb(_upright(source)), limits))
    encoded = _read(source, limits)
    return _guarded(lambda: _decode(encoded, limits, least), limits)


def _whole(image: Image.Image) -> DecodedImage:
    return DecodedImage(image, *image.size)


def _read(
    source: bytes | bytearray | memoryview | str | Path | BinaryIO, limits: DecodeLimits
) -> bytes | bytearray | memoryview:
    if isinstance(source, str | Path):
        with Path(source).open("rb") as file:
            encoded = file.read(limits.max_bytes + 1)
            size = max(len(encoded), Path(source).stat().st_size)
    elif isinstance(source, bytes | bytearray | memoryview):
        encoded, size = source, len(source)
    else:
        encoded = source.read(limits.max_bytes + 1)
        size = len(encoded)
    if size == 0:
        raise ImageUndecodableError("it is empty")
    if size > limits.max_bytes:
        raise ImageTooLargeError(actual=size, limit=limits.max_bytes, unit="bytes")
    return encoded


def _decode(encoded: bytes | bytearray | memoryview, limits: DecodeLimits, least: LeastSize | None) -> DecodedImage:
    check_not_stripped(encoded)
    try:
        image = Image.open(io.BytesIO(encoded), formats=FORMATS)
    except Image.UnidentifiedImageError:
        image = open_other(encoded, FORMATS)
    _check_pixels(image.size, limits)
    is_jpeg = isinstance(image, JpegImagePlugin.JpegImageFile)
    size = _reduce(image, least) if is_jpeg and least is not None else None
    # First, by itself: reading the EXIF data of a PNG loads the pixels too, and a second try at damaged ones passes.
    try:
        image.load()
    except _DAMAGED:
        check_not_raw(encoded, FORMATS)
        raise
    upright = _to_rgb(_upright(image))
    return DecodedImage(upright, *(size or upright.size))


def _reduce(image: Image.Image, least: LeastSize) -> tuple[int, int]:
    """Lets libjpeg decode a JPEG at a reduced scale, where that is allowed; gives its upright size as it is."""
    width, height = image.size
    if _orientation(image) in _ON_THEIR_SIDE:
        least_h, least_w = least(height, width)
        image.draft(None, (least_w, least_h))
        return height, width
    image.draft(None, least(width, height))
    return width, height


def _guarded(decode: Callable[[], _Decoded], limits: DecodeLimits) -> _Decoded:
    try:
        return decode()
    except (ImageUndecodableError, ImageTooLargeError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        # Pillow checks before the size can be asked for; its sentence starts with the number of pixels.
        found = re.search(r"\d+", str(bomb))
        raise ImageTooLargeError(
            actual=int(found.group()) if found else PILLOW_MAX_PIXELS, limit=limits.max_pixels, unit="pixels"
        ) from None
    except _DAMAGED as damage:
        reason = " ".join(str(damage).split()).rstrip(".")[:120] or type(damage).__name__
        raise ImageUndecodableError(f"it is corrupt or truncated ({reason})") from damage


def _check_pixels(size: tuple[int, int], limits: DecodeLimits) -> None:
    pixels = size[0] * size[1]
    if pixels == 0:
        raise ImageUndecodableError(f"it has {size[0]} × {size[1]} pixels")
    if pixels > limits.max_pixels:
        raise ImageTooLargeError(actual=pixels, limit=limits.max_pixels, unit="pixels")
    if max(size) > _MAX_SIDE_PX:
        # What a resize needs grows with the longest side, whatever the other one is.
        raise ImageTooLargeError(actual=max(size), limit=_MAX_SIDE_PX, unit="pixels on a side")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except _DAMAGED:
        # A broken EXIF block is common in the wild and says nothing about the pixels.
        return 1


def _upright(image: Image.Image) -> Image.Image:
    orientation = _orientation(image)
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        # `convert` would clip 16-bit values at 255; the high byte is what PNG readers take for 16-bit colour too.
        high_byte = (np.asarray(image) >> 8).astype(np.uint8)
        return Image.fromarray(high_byte).convert("RGB")
    if image.mode in {"I", "F"}:
        raise ImageUndecodableError(
            f"its 32-bit samples (mode {image.mode}) have no fixed range; save it with 8 or 16 bits per channel"
        )
    if image.has_transparency_data:
        return _over_white(image)
    return image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    """Lays transparent pixels over white, some rows at a time: whole copies would take four times the memory."""
    width, height = image.size
    result = Image.new("RGB", image.size)
    for top in range(0, height, _ROWS_AT_A_TIME):
        rows = image.crop((0, top, width, min(height, top + _ROWS_AT_A_TIME))).convert("RGBA")
        white = Image.new("RGBA", rows.size, (255, 255, 255, 255))
        result.paste(Image.alpha_composite(white, rows).convert("RGB"), (0, top))
    return result


def _from_pixels(pixels: NDArray[np.uint8], limits: DecodeLimits) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageUndecodableError(
            f"the array is {pixels.dtype} {list(pixels.shape)}; RGB pixels are uint8 [height, width, 3]"
        )
    _check_pixels((pixels.shape[1], pixels.shape[0]), limits)
    return Image.fromarray(pixels)
