"""Images for tests: of one colour, and encoded."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# The classes of tests/data/colours.onnx.
RGB: Final[Mapping[str, tuple[int, int, int]]] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}


def encode_image(image: Image.Image | NDArray[np.uint8], image_format: str = "PNG", **options: Any) -> bytes:  # noqa: ANN401 - the encoder's own
    """Encodes a PIL image or pixels."""
    buffer = io.BytesIO()
    opened = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    opened.save(buffer, image_format, **options)
    return buffer.getvalue()


def colour_image(colour: str, image_format: str = "PNG", size: tuple[int, int] = (40, 30)) -> bytes:
    """Gives an encoded image of one colour; `size` is width and height in pixels."""
    return encode_image(Image.new("RGB", size, RGB[colour]), image_format)
