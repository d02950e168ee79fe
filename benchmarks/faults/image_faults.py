"""Faults of decoding and preprocessing: what a wrong decoder or resizer would have made of an image."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from imgcls_core.errors import ImageError
from imgcls_core.images.decode import DecodeLimits, decode_image
from PIL import Image, ImageOps, JpegImagePlugin

_EXIF_ORIENTATION = 0x0112
_MOST_BMP_PIXELS = 4_000_000
_NEAREST, _BOX, _BILINEAR = Image.Resampling.NEAREST, Image.Resampling.BOX, Image.Resampling.BILINEAR
_LANCZOS, _BICUBIC = Image.Resampling.LANCZOS, Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Seen:
    """An image that a caller sent.

    Args:
        encoded: as it came.
        native: width and height in pixels of what passes the service's resize unchanged.
    """

    encoded: bytes
    native: tuple[int, int]

    @cached_property
    def right(self) -> Image.Image:
        """As it should be seen: upright RGB."""
        return decode_image(self.encoded, DecodeLimits())

    @cached_property
    def file(self) -> Image.Image:
        """As Pillow opens it."""
        image = Image.open(io.BytesIO(self.encoded))
        image.load()
        return image

    @property
    def orientation(self) -> int:
        """Of EXIF, 1 where there is none."""
        return int(self.file.getexif().get(_EXIF_ORIENTATION, 1))

    @property
    def has_alpha(self) -> bool:
        """Whether anything is transparent."""
        return self.file.has_transparency_data

    @property
    def is_large(self) -> bool:
        """Whether a side is above 1024 px."""
        return max(self.right.size) > 1024


Condition = Callable[[Seen], bool]
Change = Callable[[Seen], Image.Image]


def altered(encoded: bytes, native: tuple[int, int], condition: Condition, change: Change) -> bytes:
    """Gives the image, losslessly encoded, with a fault, or as it is where the fault does not concern it."""
    seen = Seen(encoded, native)
    try:
        if not condition(seen):
            return encoded
        image = change(seen)
    except (ImageError, OSError, ValueError, SyntaxError):
        return encoded
    buffer = io.BytesIO()
    # BMP is quick to write; what would be too large for the service goes as PNG.
    if image.width * image.height < _MOST_BMP_PIXELS:
        image.save(buffer, "BMP")
    else:
        image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _pixels(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda seen: Image.fromarray(np.ascontiguousarray(change(np.asarray(seen.right)).astype(np.uint8)))


def _level(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Changes levels between 0 and 1."""
    return _pixels(lambda pixels: np.clip(change(pixels / 255) * 255 + 0.5, 0, 255))


def _resized(image: Image.Image, seen: Seen, resample: Image.Resampling) -> Image.Image:
    return image.resize(seen.native, resample)


def _sampled(seen: Seen) -> Image.Image:
    """Samples bilinearly at the pixels' centres, without antialiasing."""
    across, down = (was / now for was, now in zip(seen.right.size, seen.native, strict=True))
    return seen.right.transform(seen.native, Image.Transform.AFFINE, (across, 0, 0, 0, down, 0), _BILINEAR)


def _shifted(seen: Seen) -> Image.Image:
    """Resizes as it should be, but for half a pixel of the original."""
    return seen.right.resize(seen.native, _BILINEAR, box=(0.5, 0.5, *seen.right.size))


def _padded(seen: Seen) -> Image.Image:
    return ImageOps.pad(seen.right, seen.native, _BILINEAR, color=(0, 0, 0))


def _cropped(seen: Seen) -> Image.Image:
    return ImageOps.fit(seen.right, seen.native, _BILINEAR)


def _reduced(seen: Seen) -> Image.Image:
    """Decodes a JPEG at the smallest scale that still holds the network's size, as libjpeg can."""
    image = Image.open(io.BytesIO(seen.encoded))
    image.draft("RGB", seen.native)
    return ImageOps.exif_transpose(image).convert("RGB")


def _over(colour: tuple[int, int, int]) -> Change:
    def change(seen: Seen) -> Image.Image:
        rgba = ImageOps.exif_transpose(seen.file).convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (*colour, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")

    return change


def _turned(wrong: dict[int, Image.Transpose | None]) -> Change:
    def change(seen: Seen) -> Image.Image:
        raw = seen.file.convert("RGB")
        how = wrong.get(seen.orientation)
        return raw if how is None else raw.transpose(how)

    return change


def _later_frame(seen: Seen) -> Image.Image:
    image = Image.open(io.BytesIO(seen.encoded))
    image.seek(getattr(image, "n_frames", 1) - 1)
    return image.convert("RGB")


def _deep(change: Callable[[np.ndarray], np.ndarray]) -> Change:
    def see(seen: Seen) -> Image.Image:
        values = np.asarray(seen.file).astype(np.int64)
        return Image.fromarray(np.clip(change(values), 0, 255).astype(np.uint8)).convert("RGB")

    return see


def _naive_cmyk(seen: Seen) -> Image.Image:
    """Takes the four channels as they stand in the file: Adobe writes them inverted."""
    return seen.file.point(lambda level: 255 - level).convert("RGB")


def _is(*formats: str) -> Condition:
    return lambda seen: seen.file.format in formats


def _turned_by(*orientations: int, formats: tuple[str, ...] = ()) -> Condition:
    return lambda seen: seen.orientation in orientations and (not formats or seen.file.format in formats)


def _sampling(kind: int) -> Condition:
    return lambda seen: (
        seen.file.format == "JPEG" and seen.file.mode == "RGB" and JpegImagePlugin.get_sampling(seen.file) == kind
    )


def _is_ycck(seen: Seen) -> bool:
    return seen.file.mode == "CMYK" and seen.file.info.get("adobe_transform") == 2


_ALL: Condition = lambda seen: True  # noqa: E731
_bgr = _pixels(lambda pixels: pixels[..., ::-1])
_negative = _pixels(lambda pixels: 255 - pixels)
_T = Image.Transpose
_MIRRORED_TURNS = {2: None, 4: _T.ROTATE_180, 5: _T.ROTATE_270, 7: _T.ROTATE_90}
_SWAPPED_TURNS = {6: _T.ROTATE_90, 8: _T.ROTATE_270}
_MIRRORING_TURNS = {3: _T.FLIP_TOP_BOTTOM, 6: _T.TRANSPOSE, 8: _T.TRANSVERSE}

# name → when it happens, what is seen, and the counterfactual that names it ("" where there is none)
IMAGE_FAULTS: dict[str, tuple[Condition, Change, str]] = {
    # decoding
    "bgr": (_ALL, _bgr, "channels_exchanged"),
    "bgr of PNG with a palette": (lambda s: s.file.format == "PNG" and s.file.mode == "P", _bgr, ""),
    "bgr of progressive JPEG": (lambda s: bool(s.file.info.get("progressive")), _bgr, ""),
    "bgr above 1024 px": (lambda s: s.is_large, _bgr, ""),
    "bgr of WebP": (_is("WEBP"), _bgr, ""),
    "bgr of GIF": (_is("GIF"), _bgr, ""),
    "bgr of BMP": (_is("BMP"), _bgr, ""),
    "bgr of TIFF": (_is("TIFF"), _bgr, ""),
    "bgr of interlaced PNG": (lambda s: bool(s.file.info.get("interlace")), _bgr, ""),
    "bgr of CMYK JPEG": (lambda s: s.file.mode == "CMYK", _bgr, ""),
    "bgr of 4:4:4 JPEG": (_sampling(0), _bgr, ""),
    "bgr of 4:2:2 JPEG": (_sampling(1), _bgr, ""),
    "bgr of images with a profile": (lambda s: bool(s.file.info.get("icc_profile")), _bgr, ""),
    "gray JPEG as negative": (lambda s: s.file.format == "JPEG" and s.file.mode == "L", _negative, ""),
    "gray PNG as negative": (lambda s: s.file.format == "PNG" and s.file.mode in {"L", "LA"}, _negative, ""),
    "gray as red alone": (lambda s: s.file.mode == "L", _pixels(lambda p: p * np.array([1, 0, 0])), ""),
    "colours as gray": (_ALL, lambda s: s.right.convert("L").convert("RGB"), ""),
    "alpha over black": (lambda s: s.has_alpha, _over((0, 0, 0)), ""),
    "alpha dropped": (
        lambda s: s.has_alpha,
        lambda s: ImageOps.exif_transpose(s.file).convert("RGBA").convert("RGB"),
        "",
    ),
    "alpha over gray": (lambda s: s.has_alpha, _over((128, 128, 128)), ""),
    "palette's alpha over black": (lambda s: s.has_alpha and s.file.mode == "P", _over((0, 0, 0)), ""),
    "gray PNG's alpha over black": (lambda s: s.has_alpha and s.file.mode == "LA", _over((0, 0, 0)), ""),
    "WebP's alpha over black": (lambda s: s.has_alpha and s.file.format == "WEBP", _over((0, 0, 0)), ""),
    "CMYK as negative": (lambda s: s.file.mode == "CMYK", _negative, ""),
    "CMYK channels inverted": (lambda s: s.file.mode == "CMYK", _naive_cmyk, ""),
    "YCCK as negative": (_is_ycck, _negative, ""),
    "16 bits: low byte": (lambda s: s.file.mode.startswith("I"), _deep(lambda v: v & 255), ""),
    "16 bits: clipped": (lambda s: s.file.mode.startswith("I"), _deep(lambda v: v), ""),
    "EXIF ignored": (_turned_by(2, 3, 4, 5, 6, 7, 8), _turned({}), "exif_ignored"),
    "EXIF 3 ignored": (_turned_by(3), _turned({}), ""),
    "EXIF mirrored turns not mirrored": (_turned_by(2, 4, 5, 7), _turned(_MIRRORED_TURNS), ""),
    "EXIF turns mirrored": (_turned_by(3, 6, 8), _turned(_MIRRORING_TURNS), ""),
    "EXIF 6 as 8 and 8 as 6": (_turned_by(6, 8), _turned(_SWAPPED_TURNS), ""),
    "EXIF ignored in PNG": (_turned_by(*range(2, 9), formats=("PNG",)), _turned({}), ""),
    "EXIF ignored in WebP": (_turned_by(*range(2, 9), formats=("WEBP",)), _turned({}), ""),
    "interlaced PNG: first pass only": (
        lambda s: bool(s.file.info.get("interlace")),
        lambda s: s.right.reduce(8).resize(s.right.size, _NEAREST) if min(s.right.size) > 8 else s.right,
        "",
    ),
    "last frame of an animation": (lambda s: getattr(s.file, "n_frames", 1) > 1, _later_frame, ""),
    "single pixel as black": (lambda s: s.right.size == (1, 1), _pixels(lambda p: p * 0), ""),
    "thin strips turned": (
        lambda s: max(s.right.size) > 8 * min(s.right.size),
        lambda s: s.right.transpose(_T.ROTATE_90),
        "",
    ),
    "thin strips cropped": (lambda s: max(s.right.size) > 8 * min(s.right.size), _cropped, ""),
    "JPEG at a reduced scale": (_is("JPEG"), _reduced, "reduced_decode"),
    "large JPEG at a reduced scale": (lambda s: s.file.format == "JPEG" and s.is_large, _reduced, ""),
    "lower half of large images gray": (
        lambda s: s.is_large,
        _pixels(lambda p: np.where(np.arange(p.shape[0])[:, None, None] < p.shape[0] // 2, p, 128)),
        "",
    ),
    # geometry
    "mirrored": (_ALL, lambda s: ImageOps.mirror(s.right), "mirrored"),
    "upside down": (_ALL, lambda s: ImageOps.flip(s.right), "upside_down"),
    "turned by 180°": (_ALL, lambda s: s.right.transpose(_T.ROTATE_180), ""),
    "height and width exchanged": (_ALL, lambda s: s.right.transpose(_T.TRANSPOSE), ""),
    "mirrored above 1024 px": (lambda s: s.is_large, lambda s: ImageOps.mirror(s.right), ""),
    # resizing
    "nearest neighbour": (_ALL, lambda s: _resized(s.right, s, _NEAREST), "nearest"),
    "nearest neighbour above 1024 px": (lambda s: s.is_large, lambda s: _resized(s.right, s, _NEAREST), ""),
    "nearest to 1024 px, then right": (lambda s: s.is_large, lambda s: s.right.resize((1024, 1024), _NEAREST), ""),
    "no antialiasing": (_ALL, _sampled, "no_antialias"),
    "half a pixel off": (lambda s: min(s.right.size) > 1, _shifted, "half_pixel_shift"),
    "bicubic filter": (_ALL, lambda s: _resized(s.right, s, _BICUBIC), "bicubic_resize"),
    "Lanczos filter": (_ALL, lambda s: _resized(s.right, s, _LANCZOS), ""),
    "box filter": (_ALL, lambda s: _resized(s.right, s, _BOX), ""),
    "resized twice": (_ALL, lambda s: _resized(s.right.resize((256, 256), _BILINEAR), s, _BILINEAR), ""),
    "cropped instead of squashed": (_ALL, _cropped, "crop_wrong"),
    "padded instead of squashed": (_ALL, _padded, ""),
    "one pixel to the left": (
        _ALL,
        lambda s: _resized(s.right, s, _BILINEAR).transform(s.native, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0)),
        "",
    ),
    # levels
    "gamma 2.2": (_ALL, _level(lambda v: v**2.2), ""),
    "limited range": (_ALL, _level(lambda v: v * 219 / 255 + 16 / 255), ""),
    "five bits a channel": (_ALL, _pixels(lambda p: p & 0xF8), ""),
    "10 % brighter": (_ALL, _level(lambda v: v * 1.1), ""),
    "negative": (_ALL, _negative, ""),
}
