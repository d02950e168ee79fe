"""What PyTorch says: PIL, torchvision's transforms, the network in float32, softmax. The yardstick of everything else.

Decoding here is deliberately not imgcls-core's: a mistake there must show as a difference.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from imgcls_core.artifact import Preprocessing
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor, nn
from torchvision import transforms
from torchvision.transforms import InterpolationMode


class ReferenceClassifier:
    """A PyTorch network with torchvision's preprocessing.

    Args:
        network: gives logits float32 [N, classes].
        preprocessing: as in the artifact.
    """

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        self.network = network.float().eval()
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

    def probabilities(self, encoded: bytes) -> NDArray[np.float32]:
        """Answers one encoded image: float32 [classes], sum 1."""
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded))).convert("RGB")
        pixels: Tensor = self.transform(image)  # pyright: ignore[reportAssignmentType] - typed as its own input
        with torch.inference_mode():
            return torch.softmax(self.network(pixels[None]), dim=1)[0].numpy()
