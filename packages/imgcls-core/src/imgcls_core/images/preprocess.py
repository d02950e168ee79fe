"""One image → RGB pixels, and the exact shrink to the size at which images of any origin share a batch.

What follows the resize (order of channels, ÷255, mean, std) is inside the artifact's graph and nowhere else.
"""

from __future__ import annotations

from typing import Final, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from imgcls_core.artifact.preprocessing import Crop, Interpolation, Preprocessing
from imgcls_core.errors import ImageTooLargeError
from imgcls_core.images.decode import DecodedImage, DecodeLimits, ImageSource, decode_reduced

_FILTERS: Final = {name: Image.Resampling[name.upper()] for name in get_args(Interpolation)}


class PreparedImage(NamedTuple):
    """An image as a network takes it, and the upright size that it had, in pixels."""

    pixels: NDArray[np.uint8]  # [H, W, 3]
    width_px: int
    height_px: int


class ImagePreprocessor:
    """Decodes images and shrinks them to an artifact's native size, bit for bit as its graph would.

    Args:
        preprocessing: the artifact's own, from `OnnxClassifier.metadata.preprocessing`.
        limits: bytes and pixels that are accepted.
    """

    def __init__(self, preprocessing: Preprocessing, limits: DecodeLimits | None = None) -> None:
        self.preprocessing = preprocessing
        self.limits = limits or DecodeLimits()

    def __call__(self, source: ImageSource) -> NDArray[np.uint8]:
        """Decodes and shrinks one image.

        Args:
            source: encoded bytes, a path, a binary file, a PIL image, or RGB pixels uint8 [H, W, 3].

        Returns:
            RGB uint8 [native_height, native_width, 3]; the graph answers for these pixels exactly as for the
            original ones, so they can share a batch with others.

        Raises:
            ImageUndecodableError: not an image, corrupt, truncated, empty.
            ImageTooLargeError: more bytes or pixels than the limits allow.
        """
        return self.prepare(source).pixels

    def prepare(self, source: ImageSource) -> PreparedImage:
        """Decodes and shrinks one image, and keeps the size that it had. Arguments and errors as `__call__`."""
        decoded = self._decode(source)
        return PreparedImage(np.asarray(self._shrink(decoded.image)), decoded.width_px, decoded.height_px)

    def decode(self, source: ImageSource) -> NDArray[np.uint8]:
        """Decodes one image as the artifact says, and shrinks it no further: RGB uint8 [H, W, 3], upright.

        Raises as `__call__`.
        """
        return np.asarray(self._decode(source).image)

    def shrink(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Resizes (and pre-crops) RGB uint8 [H, W, 3] to the native size. Raises as `__call__`."""
        return self(pixels)

    def _decode(self, source: ImageSource) -> DecodedImage:
        spec = self.preprocessing
        return decode_reduced(source, self.limits, spec.least_decoded_size if spec.decode == "scaled" else None)

    def _shrink(self, image: Image.Image) -> Image.Image:
        spec = self.preprocessing
        filter_ = _FILTERS[spec.interpolation]
        if spec.resize_size is None or spec.crop is None or spec.resize_mode == "squash":
            height, width = spec.native_size
            if spec.pad_color is not None:
                return ImageOps.pad(image, (width, height), filter_, spec.pad_color)
            return image.resize((width, height), filter_)
        width, height = shortest_edge_size(image.size, spec.resize_size)
        if width * height > self.limits.max_pixels:
            # A thin strip grows without bound when its shorter edge is enlarged.
            raise ImageTooLargeError(
                actual=width * height, limit=self.limits.max_pixels, unit="pixels after the resize"
            )
        resized = image.resize((width, height), filter_)
        # The graph crops the native square to the network's size. This crop leaves it what a centre crop takes from the
        # whole resized image, odd remainders included.
        left, top = (
            crop_start(resized, crop, spec.crop) - crop_start(spec.resize_size, crop, spec.crop)
            for resized, crop in ((width, spec.size[1]), (height, spec.size[0]))
        )
        return resized.crop((left, top, left + spec.resize_size, top + spec.resize_size))


def shortest_edge_size(size: tuple[int, int], resize_size: int) -> tuple[int, int]:
    """Gives (width, height) after torchvision's `Resize(resize_size)`: the longer edge is truncated, not rounded."""
    width, height = size
    if width <= height:
        return resize_size, int(resize_size * height / width)
    return int(resize_size * width / height), resize_size


def crop_start(length: int, crop: int, kind: Crop = "center") -> int:
    """Gives the first pixel of torchvision's `CenterCrop` (halves to the even number), or of the crop rounded down."""
    return (length - crop) // 2 if kind == "center_floor" else round((length - crop) / 2.0)
