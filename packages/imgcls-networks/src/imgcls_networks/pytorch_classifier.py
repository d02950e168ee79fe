"""What PyTorch says: PIL, torchvision's transforms, the network in float32, softmax. The yardstick of everything else.

Decoding here is deliberately not imgcls-core's: a mistake there must show as a difference.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from imgcls_cli.progress import Progress
from imgcls_core.artifact import Preprocessing
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from imgcls_networks.errors import NetworkError, RequestError
from imgcls_networks.probability_network import ProbabilityNetwork, logits_of


class PyTorchClassifier:
    """A PyTorch network with torchvision's preprocessing.

    Args:
        network: gives probabilities float32 [N, classes].
        preprocessing: as in the artifact.
    """

    def __init__(self, network: ProbabilityNetwork, preprocessing: Preprocessing) -> None:
        self.network = network
        self.preprocessing = preprocessing
        mode = InterpolationMode(preprocessing.interpolation)
        resize = preprocessing.resize_size if preprocessing.resize_size is not None else list(preprocessing.size)
        crop = [transforms.CenterCrop(list(preprocessing.size))] if preprocessing.crop else []
        self.transform = transforms.Compose(
            [
                transforms.Resize(resize, interpolation=mode),
                *crop,
                transforms.ToTensor(),
                transforms.Normalize(preprocessing.mean, preprocessing.std),
            ]
        )

    def pixels(self, encoded: bytes) -> Tensor:
        """Decodes and prepares one encoded image: float32 [1, 3, height, width], normalised."""
        image = lay_over_white(ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))))
        return self.transform(image)[None]  # pyright: ignore[reportIndexIssue] - typed as its own input, a PIL image

    def probabilities(self, pixels: Tensor) -> NDArray[np.float32]:
        """Answers one image: float32 [classes], sum 1."""
        with torch.inference_mode():
            return self.network(pixels)[0].numpy()

    def logits(self, pixels: Tensor) -> NDArray[np.float32]:
        """Gives what one image has before the softmax: float32 [classes], divided by the temperature."""
        with torch.inference_mode():
            return (logits_of(self.network.network(pixels)) / self.network.temperature)[0].numpy()

    def answers(self, images: Sequence[tuple[str, bytes]], progress: Progress) -> list[NDArray[np.float32]]:
        """Answers encoded images (name, bytes): float32 [classes] each.

        Raises:
            RequestError: an image cannot be read.
            NetworkError: the network answers NaN.
        """
        found: list[NDArray[np.float32]] = []
        for name, encoded in progress.track(images, "PyTorch", len(images)):
            try:
                pixels = self.pixels(encoded)
            except (OSError, SyntaxError, ValueError) as error:
                raise RequestError(f"The image {name!r} cannot be read: {error}.") from error
            found.append(self.probabilities(pixels))
            if not np.isfinite(found[-1]).all():
                raise NetworkError(
                    f"PyTorch itself answers NaN or infinity to {name!r}; the network is not usable as it is."
                )
        return found


def lay_over_white(image: Image.Image) -> Image.Image:
    """Makes RGB of any mode; what is transparent lets a white ground through."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
