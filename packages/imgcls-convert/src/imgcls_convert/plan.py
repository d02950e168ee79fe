"""Looks at everything that a person may have mistyped before anything slow begins; imports neither torch nor onnx."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imgcls_core.artifact import ClassInfo
from imgcls_networks.errors import RequestError
from imgcls_networks.labels import read_labels
from imgcls_networks.models.reference import ModelReference, SavedReference, TrainedReference, parse_model
from imgcls_networks.models.trained_model import WEIGHTS_NAME
from imgcls_networks.weights.source import WeightsSource

from imgcls_convert.labelled_images import LabelledImage, read_images
from imgcls_convert.request import ConvertRequest

DEFAULT_MODEL: Final = "resnet18"


@dataclass(frozen=True)
class Plan:
    """A request whose files have been found and whose lists have been read.

    Args:
        request: as it was asked.
        model: what MODEL refers to.
        output: the artifact's path; it can be written.
        weights: the checkpoint named by `--weights`; None takes the model's own sources.
        classes: from `--labels`; None takes the model's own.
        golden: from `--golden`; None generates pictures.
        verify: from `--verify-images`.
        calibrate: from `--calibrate`; None calibrates on the golden images.
        fallback: set when the model stands in for the default one.
    """

    request: ConvertRequest
    model: ModelReference
    output: Path
    weights: Path | WeightsSource | None
    classes: tuple[ClassInfo, ...] | None
    golden: Sequence[LabelledImage] | None
    verify: Sequence[LabelledImage]
    calibrate: Sequence[LabelledImage] | None
    fallback: Fallback | None = None


@dataclass(frozen=True)
class Fallback:
    """Why another model than the default one is converted.

    Args:
        instead_of: the default one.
        because: one clause per source of its weights: where, and what happened.
    """

    instead_of: str
    because: Sequence[str]


def plan_conversion(request: ConvertRequest) -> Plan:
    """Checks a request.

    Raises:
        RequestError: an unknown model, a file that is not there, lists that cannot be read, an unwritable output.
    """
    model = parse_model(DEFAULT_MODEL if request.model is None else request.model)
    output = request.output or Path("models") / f"{model.name}.onnx"
    check_output(output)
    if request.precision == "fp32" and (request.calibrate or request.min_agreement is not None):
        raise RequestError(
            "`--calibrate` and `--min-agreement` are for `--precision fp16` and `int8`; fp32 must be exact."
        )
    _check_against_model(request, model)
    return Plan(
        request=request,
        model=model,
        output=output,
        weights=_weights(request.weights),
        classes=read_labels(request.labels) if request.labels else None,
        golden=read_images(request.golden, option="--golden") if request.golden else None,
        verify=read_images(request.verify_images, option="--verify-images") if request.verify_images else [],
        calibrate=read_images(request.calibrate, option="--calibrate") if request.calibrate else None,
    )


def _check_against_model(request: ConvertRequest, model: ModelReference) -> None:
    if isinstance(model, SavedReference) and request.weights:
        raise RequestError(f"{model.path.name!r} holds its weights already; leave `--weights` out.")
    if isinstance(model, TrainedReference):
        if request.weights:
            raise RequestError(
                f"{str(model.folder)!r} holds its weights already, in {WEIGHTS_NAME}; leave `--weights` out."
            )
        if request.num_classes not in {None, found := len(model.card.classes)}:
            raise RequestError(
                f"`--num-classes {request.num_classes}` was asked for and {model.name} has {found}; leave it out, or "
                "train a model with other classes."
            )


def check_output(output: Path) -> None:
    """Finds out whether the artifact can be written there.

    Raises:
        RequestError: not a .onnx name, a folder, or a place that cannot be written.
    """
    if output.suffix != ".onnx":
        raise RequestError(f"`--output {output}` must name a .onnx file.")
    if output.is_dir():
        raise RequestError(f"`--output {output}` is a folder; name a .onnx file in it.")
    existing = next(folder for folder in (output.parent, *output.absolute().parents) if folder.exists())
    try:
        # Permissions alone do not tell: the folder may be a file, read-only or a place of the kernel's.
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise RequestError(
            f"`--output {output}` cannot be written: a file in {str(existing)!r} is refused "
            f"({error.strerror or error}). Name another place."
        ) from error


def _weights(named: str | None) -> Path | WeightsSource | None:
    if named is None:
        return None
    if named.startswith(("http://", "https://")):
        return WeightsSource.parse(named)
    path = Path(named)
    if not path.is_file():
        raise RequestError(f"There is no checkpoint at {named!r}; `--weights` takes a file or a URL.")
    return path
