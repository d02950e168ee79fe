"""Conversion from Python, as `from imgcls_convert import convert` gives it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from imgcls_cli.progress import Progress, SilentProgress
from imgcls_core.artifact import Decode, Precision, Preprocessing
from imgcls_networks.errors import RequestError

from imgcls_convert.request import ConvertRequest

if TYPE_CHECKING:
    from torch import nn

    from imgcls_convert.report.report import ConversionReport

_FILES: Final = ("golden", "verify_images", "calibrate", "output")
_MOST_PX: Final = 16_384


def convert(
    model: nn.Module | str | os.PathLike[str] | None = None,
    *,
    weights: str | os.PathLike[str] | None = None,
    preprocessing: Preprocessing | object | None = None,
    labels: str | os.PathLike[str] | Sequence[str] | None = None,
    golden: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,  # noqa: ANN401 - those of the request
) -> ConversionReport:
    """Converts a classifier to one artifact, proven equal to PyTorch, as the command `imgcls-convert` does.

    Args:
        model: a network, which is copied and left as it is, or what the command takes as MODEL.
        weights: a checkpoint, as a path or URL; a network that is given without has its weights.
        preprocessing: what the network was trained with: a `Preprocessing`, or a preset of torchvision such as
            `ResNet18_Weights.DEFAULT.transforms()`; None is what the weights publish, as far as `options` say nothing.
        labels: the names of the classes in order, a file, or a known list (`imagenet1k`).
        golden: labelled images to record, as a folder or CSV file; None draws some.
        output: the .onnx file; None means models/NAME.onnx.
        progress: is told of stages and notes; None shows nothing. The notes are in the report too.
        options: the other fields of `ConvertRequest`, such as `image_size=224`, `mean`, `std`, `precision="int8"`.

    Returns:
        The report; a notebook shows it as a table. The artifact and its reports are on disk.

    Raises:
        TypeError: an option that there is not, or a model that is none.
        RequestError: what was asked for cannot be done as asked.
        DownloadError: the weights cannot be had.
        NetworkError: the checkpoint does not fit, or the network is no classifier; nothing is written.
        ConversionError: the export fails, or the artifact does not answer as PyTorch does; nothing is written.

    Example:
        >>> report = convert(network, labels=["cat", "dog"], image_size=224, output="models/pets.onnx")
        >>> report.metadata.parity.max_abs_diff
        1.2e-07
    """
    given: dict[str, Any] = {"weights": weights, "labels": labels, "golden": golden, "output": output} | options
    if unknown := sorted(given.keys() - {field.name for field in fields(ConvertRequest)}):
        known = ", ".join(field.name for field in fields(ConvertRequest))
        raise TypeError(f"convert() has no option {unknown[0]!r}; there are {known}")
    for name in ("weights", "labels"):
        if isinstance(given[name], os.PathLike):
            given[name] = os.fspath(given[name])
    for name in _FILES:
        if given.get(name) is not None:
            given[name] = Path(given[name])
    if given.get("resize") is not None:
        given["resize"] = str(given["resize"])
    if "image_size" in given:
        given["image_size"] = _size(given["image_size"])
    if (precision := given.get("precision", "fp32")) not in get_args(Precision):
        raise RequestError(f"There is no precision {precision!r}; there are {', '.join(get_args(Precision))}.")
    if (decode := given.get("decode", "exact")) not in get_args(Decode):
        raise RequestError(f"There is no way to decode {decode!r}; there are {', '.join(get_args(Decode))}.")
    # PyTorch takes seconds to import; what was mistyped is said before.
    from imgcls_convert import conversion

    request = ConvertRequest(_model(model), preprocessing=_preprocessing(preprocessing), **given)
    return conversion.convert(request, progress or SilentProgress())


def _model(model: object) -> Any:  # noqa: ANN401 - a name or a network
    if model is None or isinstance(model, str):
        return model
    if isinstance(model, os.PathLike):
        return os.fspath(model)
    from torch import nn

    if isinstance(model, nn.Module):
        return model
    hint = "; give an instance of the class" if isinstance(model, type) and issubclass(model, nn.Module) else ""
    raise TypeError(f"convert() takes a torch.nn.Module, a name or a path, and was given {model!r}{hint}")


def _preprocessing(given: object) -> Preprocessing | None:
    if given is None or isinstance(given, Preprocessing):
        return given
    if not all(hasattr(given, name) for name in ("crop_size", "resize_size", "interpolation", "mean", "std")):
        raise TypeError(
            "preprocessing is an imgcls_core.Preprocessing or a preset of torchvision, such as "
            f"ResNet18_Weights.DEFAULT.transforms(), and was given {given!r}; image_size, resize, crop, mean and std "
            "say the same as options"
        )
    from imgcls_networks.architectures.torchvision import preset_preprocessing

    return preset_preprocessing(given)


def _size(size: Any) -> tuple[int, int]:  # noqa: ANN401 - whatever was given
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int) and 1 <= side <= _MOST_PX for side in sides):
        raise RequestError(f"image_size is {size!r}; give pixels (1 to {_MOST_PX}) or (height, width).")
    return sides[0], sides[1]
