"""Decides on the preprocessing: what the weights publish, overridden by what the user says."""

from __future__ import annotations

from typing import Final

import msgspec
from imgcls_cli.progress import Progress
from imgcls_core.artifact import Preprocessing, ReferenceDistribution
from imgcls_networks.architectures.found import FoundNetwork
from imgcls_networks.errors import RequestError
from PIL import __version__ as pillow_version

from imgcls_convert.request import ConvertRequest

# Statistics of the ImageNet training set in the 0 to 1 range, as torchvision's weights publish them.
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
_DEFAULT_SIZE: Final = (224, 224)


def choose_preprocessing(
    request: ConvertRequest, found: FoundNetwork, progress: Progress
) -> tuple[Preprocessing, ReferenceDistribution | None]:
    """Puts the preprocessing together.

    Without published values a plain ("squash") bilinear resize to 224 × 224 is taken; ImageNet's mean and std then
    are an assumption, and a note says so.

    Returns:
        The preprocessing, and the reference distribution that a trained model has measured with it; None where there
        is none, or where it was measured with another preprocessing.

    Raises:
        RequestError: values that contradict each other or are out of range.
    """
    published = found.preprocessing
    if published is None:
        defaults = {"mean": (request.mean, IMAGENET_MEAN), "std": (request.std, IMAGENET_STD)}
        assumed = {name: value for name, (given, value) in defaults.items() if given is None}
        if assumed:
            words = " and ".join(f"{name} {' '.join(f'{v:g}' for v in value)}" for name, value in assumed.items())
            options = " ".join(f"--{name} R G B" for name in assumed)
            progress.note(f"ImageNet's {words} are assumed; say `{options}` when the network was trained with others")
    _check_range("mean", request.mean, least=0.0)
    _check_range("std", request.std, least=1e-6)
    size, resize_size = _geometry(request, published)
    try:
        chosen = Preprocessing(
            size=size,
            resize_mode="squash" if resize_size is None else "shortest_edge",
            resize_size=resize_size,
            crop=None if resize_size is None else "center",
            interpolation=published.interpolation if published else "bilinear",
            mean=request.mean or (published.mean if published else IMAGENET_MEAN),
            std=request.std or (published.std if published else IMAGENET_STD),
            pillow=pillow_version,
        )
    except ValueError as error:
        raise RequestError(f"The preprocessing asked for is impossible: {error}.") from error
    card = found.trained
    if card is None or msgspec.structs.replace(chosen, pillow=card.preprocessing.pillow) == card.preprocessing:
        return chosen, card.reference if card else None
    progress.note(
        "the preprocessing is not the one that this model was trained and evaluated with: its accuracy is unknown, and "
        "its reference distribution is left out"
    )
    return chosen, None


def _check_range(name: str, values: tuple[float, float, float] | None, *, least: float) -> None:
    """Raises if mean or std cannot be those of pixels from 0 to 1."""
    if values is None or all(least <= value <= 1 for value in values):
        return
    given = " ".join(f"{value:g}" for value in values)
    if max(values) > 1 and all(0 <= value <= 255 for value in values):
        instead = " ".join(f"{value / 255:.4g}" for value in values)
        hint = f"these look like values for pixels from 0 to 255; write `--{name} {instead}`"
    else:
        hint = f"each of the three must be from {least:g} to 1"
    raise RequestError(f"`--{name} {given}` is outside what pixels from 0 to 1 can have: {hint}.")


def _geometry(request: ConvertRequest, published: Preprocessing | None) -> tuple[tuple[int, int], int | None]:
    """Gives network size (height, width) and the shorter edge before the crop (None: squash), all in pixels."""
    if request.resize == "squash" and request.crop is not None:
        raise RequestError("`--resize squash` leaves nothing to crop; say `--image-size` instead of `--crop`.")
    if request.crop is not None and request.image_size and request.image_size != (request.crop, request.crop):
        raise RequestError(
            f"`--crop {request.crop}` makes the network's input {request.crop} × {request.crop} px, "
            f"`--image-size` says {request.image_size[0]} × {request.image_size[1]}; give one of them."
        )
    size = (request.crop, request.crop) if request.crop is not None else request.image_size
    if request.resize is not None and request.resize != "squash":
        return size or (published.size if published else _DEFAULT_SIZE), int(request.resize)
    if request.resize == "squash":
        return size or (published.size if published else _DEFAULT_SIZE), None
    if published is not None and published.resize_size is not None:
        if size is None or size == published.size:
            return published.size, published.resize_size
        raise RequestError(
            f"This model resizes the shorter edge to {published.resize_size} px and crops {published.size[0]} px; "
            "with another size say what to resize to as well: `--resize PX --crop PX`, or `--resize squash`."
        )
    if request.crop is not None:
        raise RequestError(f"`--crop {request.crop}` needs `--resize PX`, the shorter edge before the crop.")
    return size or (published.size if published else _DEFAULT_SIZE), None
