"""How far a network's answers move where its library prepares images in another way."""

from __future__ import annotations

import numpy as np
from imgcls_cli.progress import SilentProgress
from imgcls_networks.pytorch_classifier import PyTorchClassifier
from numpy.typing import NDArray

from imgcls_convert.images.selection import ImageSelection


def other_preparation(name: str, other: PyTorchClassifier, images: ImageSelection, answers: NDArray[np.float32]) -> str:
    """Measures another way of preparing images and gives what a user should know of it.

    Args:
        name: of the other way.
        other: the network, asked in that way.
        images: those that were asked.
        answers: to them, float32 [images, classes].
    """
    found = other.answers([(image.name, image.encoded) for image in images.compared], SilentProgress())
    differences = np.abs(found - answers).max(axis=1)
    agreeing = int((found.argmax(axis=1) == answers.argmax(axis=1)).sum())
    return (
        f"the artifact prepares images as Pillow does; {name}, which transformers takes unless told otherwise, moves "
        f"probabilities by up to {differences.max():.1e} (median {np.median(differences):.1e}) and gives the "
        f"same class on {agreeing} of {len(answers)} images"
    )
