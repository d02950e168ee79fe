"""What PyTorch says: PIL, torchvision's transforms, the network in float32, softmax. The yardstick of everything else.

Decoding here is deliberately not imgcls-core's: a mistake there must show as a difference.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from imgcls_cli.progress import Progress, SilentProgress
from imgcls_core.artifact import Preprocessing
from imgcls_core.cpus import allotted_cpus
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision import transforms
from torchvision.transforms import InterpolationMode, functional

from imgcls_networks.errors import NetworkError, RequestError
from imgcls_networks.exception_text import one_line
from imgcls_networks.probability_network import ProbabilityNetwork

_ORIENTATION: Final = 0x0112  # in EXIF
_BATCH_PIXELS: Final = 16 * 224 * 224  # what a batch holds; larger ones are hardly faster and take much memory


@dataclass(frozen=True)
class DecodedStages:
    """One image as it is decoded.

    Attributes:
        encoded: its file.
        raw: as it was opened, in its own mode.
        flat: RGB, as it lies in the file.
        upright: RGB, turned as its EXIF data say.
    """

    encoded: bytes
    raw: Image.Image
    flat: Image.Image
    upright: Image.Image


class PyTorchClassifier:
    """A PyTorch network with torchvision's preprocessing.

    Args:
        network: gives probabilities float32 [N, classes].
        preprocessing: as in the artifact.
        prepare: the same by the library that the network is from, which then is the yardstick; None takes torchvision.

    Attributes:
        layout: of a batch in memory, as the network takes it. With channels last, convolutions take less time, and
            PyTorch's group normalisation loses three digits (mean 2.4, deviation 0.05: off by 3e-3 instead of 4e-6).
    """

    def __init__(
        self,
        network: ProbabilityNetwork,
        preprocessing: Preprocessing,
        prepare: Callable[[Image.Image], Tensor] | None = None,
    ) -> None:
        self.prepare = prepare
        self.network = network
        self.preprocessing = preprocessing
        grouped = any(isinstance(part, nn.GroupNorm) for part in network.modules())
        self.layout = torch.contiguous_format if grouped else torch.channels_last
        self.transform = transforms.Compose([*_geometry(preprocessing), *_values(preprocessing)])

    def pixels(self, encoded: bytes) -> Tensor:
        """Decodes and prepares one encoded image: float32 [3, height, width], normalised."""
        image = _lay_over_white(ImageOps.exif_transpose(self._opened(encoded)))
        if self.prepare is not None:
            return self.prepare(image)[0]
        return self.transform(image)  # pyright: ignore[reportReturnType] - typed as its own input, a PIL image

    def decoded(self, images: Sequence[bytes]) -> Iterator[DecodedStages]:
        """Decodes encoded images, one after the other, and gives what else the yardstick makes of them on the way."""
        for encoded in images:
            raw = self._opened(encoded)
            yield DecodedStages(encoded, raw, _lay_over_white(raw), _lay_over_white(ImageOps.exif_transpose(raw)))

    def answers(self, images: Sequence[tuple[str, bytes]], progress: Progress) -> NDArray[np.float32]:
        """Answers encoded images (name, bytes), in batches: probabilities float32 [images, classes].

        Raises:
            RequestError: an image cannot be read.
            NetworkError: the network fails, or answers NaN.
        """
        height, width = self.preprocessing.size
        size = max(1, _BATCH_PIXELS // (height * width))
        batches = [images[start : start + size] for start in range(0, len(images), size)]
        found: list[NDArray[np.float32]] = []
        with ThreadPoolExecutor(allotted_cpus()) as pool:
            for batch in progress.track(batches, "PyTorch", len(batches)):
                found.append(self._answer(torch.stack([*pool.map(self._prepared, batch)])))
                finite = np.isfinite(found[-1]).all(axis=1)
                if not finite.all():
                    raise NetworkError(
                        f"The network itself answers NaN or infinity to {batch[int(finite.argmin())][0]!r}; "
                        "it is not usable as it is."
                    )
        return np.concatenate(found)

    def other_preparation(
        self,
        name: str,
        prepare: Callable[[Image.Image], Tensor],
        images: Sequence[tuple[str, bytes]],
        answers: NDArray[np.float32],
    ) -> str:
        """Measures how far the answers move where a library prepares images in another way, and says so.

        Args:
            name: of the other way.
            prepare: prepares an image in that way.
            images: those that were asked.
            answers: to them, float32 [images, classes].
        """
        found = PyTorchClassifier(self.network, self.preprocessing, prepare).answers(images, SilentProgress())
        differences = np.abs(found - answers).max(axis=1)
        agreeing = int((found.argmax(axis=1) == answers.argmax(axis=1)).sum())
        return (
            f"the artifact prepares images as Pillow does; {name}, which transformers takes unless told otherwise, "
            f"moves probabilities by up to {differences.max():.1e} (median {np.median(differences):.1e}) and gives the "
            f"same class on {agreeing} of {len(answers)} images"
        )

    def exact(self, images: Sequence[bytes]) -> NDArray[np.float64] | None:
        """Answers encoded images in float64, where rounding fades: [images, classes]; None where that is not possible.

        Only for a few images: it takes twice the network's memory, and twice the time.
        """
        pixels = [self.pixels(encoded).double() for encoded in images]
        try:
            network = copy.deepcopy(self.network).double()
            with torch.inference_mode():
                return torch.cat([network(one[None]) for one in pixels]).numpy()
        except (RuntimeError, TypeError, NotImplementedError, MemoryError):  # float32 is written into the network
            return None

    def rounded(self, images: Sequence[bytes]) -> Iterator[NDArray[np.float32]]:
        """Answers encoded images as float32 may, no less rightly, where it sums in another order.

        Other layouts in memory and other batches take other kernels; weights moved by their last bit stand for the
        orders of other libraries. How far these are from float64 is the rounding that the network's own sums have.

        Yields:
            [images, classes] of each way that the network can be asked in, as long as others are wanted.
        """
        pixels = torch.stack([self.pixels(encoded) for encoded in images])
        with contextlib.suppress(RuntimeError, TypeError, NotImplementedError, MemoryError):
            moved = copy.deepcopy(self.network)
            draw = torch.Generator().manual_seed(20180)
            with torch.inference_mode():
                for weight in moved.parameters():
                    if weight.dtype == torch.float32:
                        towards = torch.rand(weight.shape, generator=draw) - 0.5
                        weight.copy_(torch.nextafter(weight, towards * torch.inf))
            yield _asked(moved, pixels)
            yield _asked(self.network, pixels)
            yield np.concatenate([_asked(self.network, one[None]) for one in pixels])
            last = pixels.contiguous(memory_format=torch.channels_last)
            yield from (_asked(network, last) for network in (self.network, moved))

    def _answer(self, pixels: Tensor) -> NDArray[np.float32]:
        try:
            with torch.inference_mode():
                return self.network(pixels.contiguous(memory_format=self.layout)).numpy()
        except RuntimeError as error:
            if self.layout is torch.contiguous_format:
                raise NetworkError(f"The network fails on {len(pixels)} images: {one_line(error)}.") from error
            self.layout = torch.contiguous_format  # some code relies on how tensors lie in memory
            return self._answer(pixels)

    def _opened(self, encoded: bytes) -> Image.Image:
        """Opens an image, not yet upright; a large JPEG at a reduced scale where the preprocessing says so."""
        image = Image.open(io.BytesIO(encoded))
        if self.preprocessing.decode == "scaled" and image.format in {"JPEG", "MPO"}:
            width, height = image.size
            if image.getexif().get(_ORIENTATION, 1) in range(5, 9):  # height and width will be exchanged
                height, width = self.preprocessing.least_decoded_size(height, width)
            else:
                width, height = self.preprocessing.least_decoded_size(width, height)
            image.draft(None, (width, height))
        return image

    def _prepared(self, image: tuple[str, bytes]) -> Tensor:
        name, encoded = image
        try:
            return self.pixels(encoded)
        except (OSError, SyntaxError, ValueError) as error:
            raise RequestError(f"The image {name!r} cannot be read: {error}.") from error


def _asked(network: nn.Module, pixels: Tensor) -> NDArray[np.float32]:
    with torch.inference_mode():
        return network(pixels).numpy()


def middle(image: Any, spec: Preprocessing) -> Any:  # noqa: ANN401 - PIL or tensor; torchvision takes both
    """Takes what the preprocessing crops out of a resized image; all of it where nothing is cropped."""
    if spec.crop is None:
        return image
    if spec.crop == "center":
        return functional.center_crop(image, list(spec.size))
    _, height, width = functional.get_dimensions(image)
    return functional.crop(image, (height - spec.size[0]) // 2, (width - spec.size[1]) // 2, *spec.size)


def _geometry(spec: Preprocessing) -> Iterator[Callable[[Any], Any]]:
    mode = InterpolationMode(spec.interpolation)
    if (color := spec.pad_color) is not None:
        yield lambda image: ImageOps.pad(image, (spec.size[1], spec.size[0]), Image.Resampling[mode.name], color)
        return
    edge = spec.resize_size if spec.resize_mode == "shortest_edge" else list(spec.native_size)
    yield transforms.Resize(edge, interpolation=mode)
    yield lambda image: middle(image, spec)


def _values(spec: Preprocessing) -> Iterator[Callable[[Any], Any]]:
    if spec.range == "0..1":
        yield transforms.ToTensor()
    else:
        yield transforms.PILToTensor()
        yield Tensor.float
    if spec.channels == "bgr":
        yield lambda pixels: pixels.flip(0)
    yield transforms.Normalize(spec.mean, spec.std)


def _lay_over_white(image: Image.Image) -> Image.Image:
    """Makes RGB of any mode; what is transparent lets a white ground through."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
