"""Looks at every image of a split once: whether it decodes, its size and format, its colours, its fingerprints."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from imgcls_cli.progress import Progress
from imgcls_core.cpus import allotted_cpus
from imgcls_core.errors import ImageTooLargeError, ImageUndecodableError
from imgcls_core.images.decode import FORMATS, DecodeLimits, ImageSource, decode_image
from numpy.typing import NDArray
from PIL import Image

from imgcls_train.data.split import Split, content_bytes
from imgcls_train.survey.near_search import coarse_pixels, fingerprint

# Colours are taken from images of at most this many pixels a side: larger ones are shrunk, as training will.
COLOUR_PX: Final = 256
_AT_ONCE: Final = 32  # images a thread takes


@dataclass(slots=True)
class ExaminedImage:
    """What is known of one image.

    Args:
        index: its place in the split.
        sha256: of its file, or of its pixels where the layout holds pixels; empty when it could not be read.
        size_bytes: of its file.
        problem: why it cannot be used; the fields below then say nothing.
        width: in pixels, upright.
        height: in pixels, upright.
        format: as Pillow calls it; "pixels" where the layout holds pixels.
        mode: of the file, as Pillow calls it.
        fingerprint: see `near_search`; None where it is nearly of one colour.
        coarse: uint8 [16, 16, 3].
    """

    index: int
    sha256: bytes
    size_bytes: int
    problem: str | None = None
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    fingerprint: tuple[int, int] | None = None
    coarse: NDArray[np.uint8] | None = None


@dataclass(slots=True)
class ColourSum:
    """How often each level occurs in each channel; every image weighs the same, whatever its size."""

    images: int = 0
    shares: NDArray[np.float64] = field(default_factory=lambda: np.zeros((3, 256)))  # [R G B, level]

    def add(self, image: Image.Image) -> None:
        """Counts the levels of an RGB image."""
        small = image
        if max(image.size) > COLOUR_PX:
            small = image.copy()
            small.thumbnail((COLOUR_PX, COLOUR_PX))
        self.shares += np.array(small.histogram(), dtype=np.float64).reshape(3, 256) / (small.width * small.height)
        self.images += 1

    def merge(self, other: ColourSum) -> None:
        """Adds what another one counted."""
        self.shares += other.shares
        self.images += other.images

    def mean_and_std(self) -> tuple[list[float], list[float]]:
        """Gives mean and standard deviation of all pixels, R, G, B, in the 0 to 1 range."""
        levels = np.arange(256) / 255
        shares = self.shares / self.images
        mean = shares @ levels  # [3]
        std = np.sqrt(np.maximum(shares @ levels**2 - mean**2, 0))
        return mean.tolist(), std.tolist()


def examine(split: Split, progress: Progress) -> tuple[list[ExaminedImage], ColourSum]:
    """Examines all images of a split on as many threads as there are processors, which decode side by side.

    Returns:
        The images in their order, about 1 kB of memory each, and their colours.
    """
    count = len(split.samples)
    chunks = [range(start, min(start + _AT_ONCE, count)) for start in range(0, count, _AT_ONCE)]
    images: list[ExaminedImage] = []
    colours = ColourSum()
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, file after file; what makes an image unusable is told in the report.
        warnings.filterwarnings("ignore", module="PIL")
        threads = ThreadPoolExecutor(allotted_cpus(), thread_name_prefix="examine")
        try:
            done = threads.map(lambda chunk: _examine_some(split, chunk), chunks)
            for some, sums in progress.track(done, f"Looking at {split.name}", len(chunks)):
                images += some
                colours.merge(sums)
        finally:
            threads.shutdown(cancel_futures=True)
    return images, colours


def _examine_some(split: Split, indices: Sequence[int]) -> tuple[list[ExaminedImage], ColourSum]:
    colours = ColourSum()
    return [_examine_one(split, index, colours) for index in indices], colours


def _examine_one(split: Split, index: int, colours: ColourSum) -> ExaminedImage:
    try:
        content = split.read(index)
    except OSError as error:
        return ExaminedImage(index, b"", 0, f"it cannot be read ({error.strerror or error})")
    raw = content_bytes(content)
    found = ExaminedImage(index, hashlib.sha256(raw).digest(), len(raw))
    try:
        image = decode_image(content, DecodeLimits())
    except ImageUndecodableError as error:
        found.problem = error.reason
        return found
    except ImageTooLargeError as error:
        found.problem = f"it has {error.actual:,} {error.unit}, and {error.limit:,} are the most that is decoded"
        return found
    found.width, found.height = image.size
    found.format, found.mode = _format_and_mode(content)
    found.fingerprint = fingerprint(image)
    found.coarse = coarse_pixels(image)
    colours.add(image)
    return found


def _format_and_mode(content: ImageSource) -> tuple[str, str]:
    if not isinstance(content, bytes):
        return "pixels", "RGB"
    with Image.open(io.BytesIO(content), formats=FORMATS) as header:
        return header.format or "", header.mode


def readable(images: Sequence[ExaminedImage]) -> Iterator[ExaminedImage]:
    """Leaves out those that cannot be used."""
    return (image for image in images if image.problem is None)
