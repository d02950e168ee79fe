"""Decides on the preprocessing: what the weights publish, overridden by what the user says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal, cast

import msgspec
from imgcls_cli.progress import Progress
from imgcls_core.artifact import Crop, Preprocessing, ReferenceDistribution
from imgcls_networks.architectures.found import ExpectedInput, FoundNetwork
from imgcls_networks.errors import RequestError
from PIL import __version__ as pillow_version

from imgcls_convert.pixel_values import choose_pixel_values
from imgcls_convert.request import ConvertRequest

_ResizeMode = Literal["squash", "shortest_edge", "letterbox"]
_DEFAULT_SIZE: Final = (224, 224)


def choose_preprocessing(
    request: ConvertRequest, found: FoundNetwork, progress: Progress
) -> tuple[Preprocessing, ReferenceDistribution | None]:
    """Puts the preprocessing together.

    Without published values a plain ("squash") bilinear resize to 224 × 224 is taken.

    Returns:
        The preprocessing, and the reference distribution that a trained model has measured with it; None where there
        is none, or where it was measured with another preprocessing.

    Raises:
        RequestError: values that contradict each other or are out of range.
    """
    published = request.preprocessing or found.preprocessing
    if (
        found.no_preprocessing
        and request.preprocessing is None
        and not (request.mean and request.std and (request.resize or request.image_size))
    ):
        raise RequestError(found.no_preprocessing)
    if found.expected is not None and request.preprocessing is None:
        request = _as_expected(request, found.expected, found.architecture)
        if request.resize is None:
            progress.note(
                "images are squashed to the network's size; say `--resize PX --crop PX` or `--resize letterbox` where "
                "it was trained otherwise"
            )
    mode, size, resize_size, crop = _geometry(request, published)
    pad_color = _pad_color(request, published, progress) if mode == "letterbox" else None
    if request.pad_color is not None and pad_color is None:
        raise RequestError("`--pad-color` is the colour of a letterbox's bars; say `--resize letterbox` with it.")
    values = choose_pixel_values(request, published, progress)
    try:
        chosen = Preprocessing(
            size=size,
            resize_mode=mode,
            resize_size=resize_size,
            crop=crop,
            interpolation=published.interpolation if published else "bilinear",
            mean=values.mean,
            std=values.std,
            pillow=pillow_version,
            range=values.range,
            channels=values.channels,
            pad_color=pad_color,
        )
    except ValueError as error:
        raise RequestError(f"The preprocessing asked for is impossible: {error}.") from error
    card = found.trained
    is_its_own = card is None or msgspec.structs.replace(chosen, pillow=card.preprocessing.pillow) == card.preprocessing
    if request.decode == "scaled" or (request.preprocessing and request.preprocessing.decode == "scaled"):
        chosen = msgspec.structs.replace(chosen, decode="scaled")
    if is_its_own:
        return chosen, card.reference if card else None
    progress.note(
        "the preprocessing is not the one that this model was trained and evaluated with: its accuracy is unknown, and "
        "its reference distribution is left out"
    )
    return chosen, None


def _as_expected(request: ConvertRequest, expected: ExpectedInput, name: str) -> ConvertRequest:
    """Adds what a file says of its input; what it cannot say must have been said.

    Raises:
        RequestError: the size, or the numbers that pixels become, are not known, or are not those of the file.
    """
    if expected.precision != "fp32" != request.precision:
        raise RequestError(
            f"{name} computes in {expected.precision} already; leave `--precision` out, or give the network that it "
            "was reduced from."
        )
    if expected.takes_levels:
        if request.mean or request.std or request.range not in {None, "0..255"}:
            raise RequestError(
                f"{name} takes levels from 0 to 255 as uint8, and what it makes of them is inside; leave `--mean`, "
                "`--std` and `--range` out."
            )
        request = replace(request, range="0..255", mean=(0.0,) * 3, std=(1.0,) * 3)
    elif request.range in {None, "0..1"} and not (request.mean and request.std):
        raise RequestError(
            f"{name} does not say what its pixels are: say `--mean R G B --std R G B` as it was trained with, "
            "`--range 0..255` for levels as they are, `--range -1..1`, or `--mean 0 0 0 --std 1 1 1` for 0 to 1."
        )
    asked = (request.crop, request.crop) if request.crop is not None else request.image_size
    size = expected.size or asked
    if size is None:
        raise RequestError(f"{name} takes images of any size; say `--image-size PX`, that which it was trained with.")
    if asked is not None and asked != size:
        raise RequestError(
            f"{name} takes images of {size[0]} × {size[1]} px (height × width), and {asked[0]} × {asked[1]} was asked "
            "for; leave the size out."
        )
    return replace(request, image_size=size)


def _pad_color(request: ConvertRequest, published: Preprocessing | None, progress: Progress) -> tuple[int, int, int]:
    levels = cast("Sequence[object]", request.pad_color or ())  # from Python it may be anything
    if levels and not (len(levels) == 3 and all(isinstance(one, int) and 0 <= one <= 255 for one in levels)):
        raise RequestError(f"`--pad-color {request.pad_color}` must be three whole numbers from 0 to 255.")
    if color := request.pad_color or (published.pad_color if published else None):
        return color
    progress.note("the letterbox's bars are black, as Pillow's are by default; say `--pad-color R G B` for others")
    return 0, 0, 0


def _geometry(
    request: ConvertRequest, published: Preprocessing | None
) -> tuple[_ResizeMode, tuple[int, int], int | None, Crop | None]:
    """Gives how to resize, the network's size (height, width), the edge before the crop, in pixels, and the crop."""
    if request.resize in {"squash", "letterbox"} and request.crop is not None:
        raise RequestError(
            f"`--resize {request.resize}` leaves nothing to crop; say `--image-size` instead of `--crop`."
        )
    if request.crop is not None and request.image_size and request.image_size != (request.crop, request.crop):
        raise RequestError(
            f"`--crop {request.crop}` makes the network's input {request.crop} × {request.crop} px, "
            f"`--image-size` says {request.image_size[0]} × {request.image_size[1]}; give one of them."
        )
    given = (request.crop, request.crop) if request.crop is not None else request.image_size
    size = given or (published.size if published else _DEFAULT_SIZE)
    if request.resize == "squash" or request.resize == "letterbox":
        return request.resize, size, None, None
    if request.resize is not None:
        return "shortest_edge", size, int(request.resize), "center"
    if published is not None and published.resize_size is not None:
        if size == published.size:
            return published.resize_mode, size, published.resize_size, published.crop
        edge = "the shorter edge" if published.resize_mode == "shortest_edge" else "both edges"
        raise RequestError(
            f"This model resizes {edge} to {published.resize_size} px and crops {published.size[0]} px; "
            "with another size say what to resize to as well: `--resize PX --crop PX`, or `--resize squash`."
        )
    if request.crop is not None:
        raise RequestError(f"`--crop {request.crop}` needs `--resize PX`, the shorter edge before the crop.")
    return published.resize_mode if published else "squash", size, None, None
