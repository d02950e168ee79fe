"""Decides what a network's numbers are: range, mean, std and order of channels. Two readings are asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, get_args

from imgcls_cli.progress import Progress
from imgcls_core.artifact import Channels, PixelRange, Preprocessing
from imgcls_networks.errors import RequestError

from imgcls_convert.request import ConvertRequest

_Triple = tuple[float, float, float]

# Statistics of the ImageNet training set in the 0 to 1 range, as torchvision's weights publish them.
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
_ZEROS: Final = (0.0, 0.0, 0.0)
_ONES: Final = (1.0, 1.0, 1.0)
_HALVES: Final = (0.5, 0.5, 0.5)

_ORDERS: Final = get_args(Channels)
_LEAST: Final = {"mean": 0.0, "std": 1e-6}
_NEUTRAL: Final = {"mean": _ZEROS, "std": _ONES}  # the same in both ranges, so that they tell nothing
_NEAR_IMAGENET: Final = 0.01  # Caffe rounds to 104 117 123, torchvision's are 103.5 116.3 123.7


class PixelValues(NamedTuple):
    """What becomes of a pixel's levels; mean and std are in the order of `channels`."""

    range: PixelRange
    channels: Channels
    mean: _Triple
    std: _Triple


def choose_pixel_values(request: ConvertRequest, published: Preprocessing | None, progress: Progress) -> PixelValues:
    """Puts together what was said and what is published.

    Without either, ImageNet's mean and std are an assumption for pixels from 0 to 1, and a note says so.

    Raises:
        RequestError: values out of range, or such as can be read in two ways.
    """
    for name, known in (("range", ("0..1", "0..255", "-1..1")), ("channels", _ORDERS), ("mean_order", _ORDERS)):
        if getattr(request, name) not in (None, *known):
            raise RequestError(f"`{name}` is {getattr(request, name)!r}; it can be {', '.join(known)}.")
    given = {name: _triple(name, value) for name in _LEAST if (value := getattr(request, name)) is not None}
    if request.range == "-1..1":
        if given:
            raise RequestError("`--range -1..1` is a mean and std of 0.5 already; leave `--mean` and `--std` out.")
        given = dict.fromkeys(_LEAST, _HALVES)
    for name, values in given.items():
        _check_values(name, values)
    asked_range: PixelRange | None = "0..1" if request.range == "-1..1" else request.range
    range_ = asked_range or (published.range if published else "0..1")
    _check_one_range(given, range_, said=asked_range is not None)
    channels = request.channels or (published.channels if published else "rgb")
    if published and len(given) < len(_LEAST) and (range_, channels) != (published.range, published.channels):
        raise RequestError(
            f"This model's mean and std are for {published.channels.upper()} pixels from {_to(published.range)}; with "
            "another range or order say `--mean` and `--std` too."
        )
    given = _in_order(given, request, channels, progress)
    if published:
        defaults: Mapping[str, _Triple] = {"mean": published.mean, "std": published.std}
    else:
        defaults = _assumed(given, range_, channels, progress)
    chosen = {**defaults, **given}
    return PixelValues(range_, channels, chosen["mean"], chosen["std"])


def _triple(name: str, values: Sequence[float]) -> _Triple:
    """Gives three numbers as floats; from Python they may come as a list, or as something else."""
    try:
        first, second, third = (float(value) for value in values)
    except (TypeError, ValueError):
        raise RequestError(f"`--{name} {values}` must be three numbers, one for each channel.") from None
    return first, second, third


def _check_values(name: str, values: _Triple) -> None:
    """Raises if no pixels at all can have this mean or std. NaN is never in a range."""
    if not all(_LEAST[name] <= value <= 255 for value in values):
        raise RequestError(
            f"`--{name} {_words(values)}` is outside what pixels can have: each of the three must be from "
            f"{_LEAST[name]:g} to 1, or to 255 with `--range 0..255`."
        )


def _range_of(name: str, values: _Triple) -> PixelRange | None:
    """Gives the range that the values are of; None where they could be of both."""
    if values == _NEUTRAL[name]:
        return None
    return "0..255" if max(values) > 1 else "0..1"


def _check_one_range(given: Mapping[str, _Triple], range_: PixelRange, *, said: bool) -> None:
    """Raises unless all values are of the range; that of 0 to 255 is never assumed."""
    ranges = {name: _range_of(name, values) for name, values in given.items()}
    other: PixelRange = "0..1" if range_ == "0..255" else "0..255"
    wrong = [name for name, found in ranges.items() if found == other]
    if not wrong:
        return
    shown = " ".join(f"--{name} {_words(given[name])}" for name in wrong)
    factor = 255 if other == "0..1" else 1 / 255
    instead = " ".join(f"--{name} {' '.join(f'{value * factor:.4g}' for value in given[name])}" for name in wrong)
    if said or range_ in ranges.values():
        why = f"`--range {range_}` was asked for" if said else "the others are not"
        raise RequestError(
            f"`{shown}` looks like values for pixels from {_to(other)}, and {why}: where the network takes "
            f"{_to(range_)}, write `{instead}`."
        )
    raise RequestError(
        f"`{shown}` looks like values for pixels from {_to(other)}, and two readings are possible: say "
        f"`--range {other}` where the network takes {_to(other)}, or, where it takes {_to(range_)}, write `{instead}`."
    )


def _to(range_: PixelRange) -> str:
    return range_.replace("..", " to ")


def _in_order(
    given: Mapping[str, _Triple], request: ConvertRequest, channels: Channels, progress: Progress
) -> Mapping[str, _Triple]:
    """Gives the values in the order of the channels; ImageNet's mean in the other order is asked about."""
    order = request.mean_order or channels
    mean = given.get("mean")
    if mean is not None and request.mean_order is None:
        is_bgr = _is_imagenet(_turned(mean))
        if channels == "rgb" and is_bgr and request.channels is None:
            raise RequestError(
                f"`--mean {_words(mean)}` is ImageNet's mean in the order blue, green, red, as Caffe has it: say "
                "`--channels bgr`, or `--channels rgb` where the network takes RGB all the same."
            )
        if channels == "bgr" and _is_imagenet(mean):
            raise RequestError(
                f"`--mean {_words(mean)}` is ImageNet's mean in the order red, green, blue, and the network takes BGR: "
                f"say `--mean-order rgb` where {mean[0]:g} is red's, or `--mean-order bgr` where it is blue's."
            )
    if channels == "bgr" and any(len(set(values)) > 1 for values in given.values()):
        names = {"bgr": "blue, green, red", "rgb": "red, green, blue"}
        progress.note(f"the network takes BGR; {' and '.join(given)} are read in the order {names[order]}")
    if order == channels:
        return given
    return {name: _turned(values) for name, values in given.items()}


def _turned(values: _Triple) -> _Triple:
    return values[2], values[1], values[0]


def _assumed(
    given: Mapping[str, _Triple], range_: PixelRange, channels: Channels, progress: Progress
) -> Mapping[str, _Triple]:
    missing = [name for name in _LEAST if name not in given]
    if not missing:
        return given
    if range_ == "0..255":
        taken = " and ".join(f"{name} {_NEUTRAL[name][0]:g}" for name in missing)
        progress.note(f"the network takes levels from 0 to 255; {taken} are taken, because no other was given")
        return _NEUTRAL
    if channels == "bgr":
        raise RequestError(
            "`--channels bgr` needs `--mean` and `--std` in the order blue, green, red; `--range 0..255` alone takes "
            "levels as they are."
        )
    values = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
    words = " and ".join(f"{name} {_words(values[name])}" for name in missing)
    options = " ".join(f"--{name} R G B" for name in missing)
    progress.note(f"ImageNet's {words} are assumed; say `{options}` when the network was trained with others")
    return values


def _is_imagenet(mean: _Triple) -> bool:
    scale = 255 if max(mean) > 1 else 1
    return all(abs(value / scale - own) < _NEAR_IMAGENET for value, own in zip(mean, IMAGENET_MEAN, strict=True))


def _words(values: _Triple) -> str:
    return " ".join(f"{value:g}" for value in values)
