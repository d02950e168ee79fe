"""Looks at everything that a user may have mistyped before anything slow begins; imports neither torch nor onnx."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from imgcls_core.artifact import ClassInfo
from imgcls_core.artifact.metadata import KEY_PREFIX
from imgcls_core.artifact.props import read_parts
from imgcls_core.errors import ArtifactError
from imgcls_networks.errors import DownloadError, RequestError
from imgcls_networks.labels import listed_labels, read_labels
from imgcls_networks.models import bundled
from imgcls_networks.models.reference import (
    ArchiveReference,
    ModelReference,
    ModuleReference,
    OnnxReference,
    SavedReference,
    TrainedReference,
    parse_model,
    refuse_untrusted,
)
from imgcls_networks.weights.source import WeightsSource, parse_weights

from imgcls_convert.images.files import GivenImages, read_images
from imgcls_convert.request import ConvertRequest

DEFAULT_MODEL: Final = "resnet18"
# Mean the same whatever the model is. Every other option speaks of the model, its classes or the file that it is
# expected in, and whoever gave one would not look for another model behind it.
_NEUTRAL: Final = frozenset(
    {"decode", "precision", "min_agreement", "float_share", "second_look", "skip_verify", "weak_proof", "trust"}
)
_REDUCING: Final = ("calibrate", "min_agreement", "float_layers", "float_share", "second_look")


@dataclass(frozen=True)
class Plan:
    """A request whose files have been found and whose lists have been read.

    Args:
        request: as it was asked.
        model: what MODEL refers to.
        output: the artifact's path; it can be written.
        weights: the checkpoint named by `--weights`; None takes the model's own sources.
        classes: from `--labels`; None takes the model's own.
        images: from `--golden`, `--verify-images` and `--calibrate`.
        fallback: set when the model stands in for the default one.
        notes: what the user should know before the conversion begins.
    """

    request: ConvertRequest
    model: ModelReference
    output: Path
    weights: Path | WeightsSource | None
    classes: tuple[ClassInfo, ...] | None
    images: GivenImages
    fallback: Fallback | None = None
    notes: Sequence[str] = ()


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
    named = DEFAULT_MODEL if request.model is None else request.model
    model = parse_model(named, request.revision) if isinstance(named, str) else ModuleReference(named)
    output = request.output or Path("models") / f"{model.name}.onnx"
    _check_output(output)
    if isinstance(model, OnnxReference) and output.exists() and output.samefile(model.path):
        raise RequestError(f"The artifact would take the place of {str(output)!r} itself; say `--output` otherwise.")
    notes = [_replaced(output)] if output.exists() else []
    if request.output_name is not None:
        if not isinstance(model, OnnxReference):
            raise RequestError("`--output-name` chooses among the outputs of an ONNX file; this MODEL is none.")
        model = replace(model, output=request.output_name)
    idle = _REDUCING if request.decode == "exact" else [name for name in _REDUCING if name != "min_agreement"]
    if request.precision == "fp32" and (wrong := [name for name in idle if getattr(request, name) is not None]):
        option = wrong[0].replace("_", "-")
        raise RequestError(f"`--{option}` is for `--precision fp16` and `int8`; fp32 must be exact.")
    if request.weights and model.holds_weights:
        raise RequestError(f"{model.holds_weights}; leave `--weights` out.")
    if request.state_key is not None and not request.weights:
        raise RequestError("`--state-key` chooses among the weights of a checkpoint; name it with `--weights FILE`.")
    if isinstance(model, ArchiveReference | SavedReference) and not request.trust:
        refuse_untrusted(model)
    if isinstance(model, TrainedReference) and request.num_classes not in {None, count := len(model.card.classes)}:
        raise RequestError(
            f"`--num-classes {request.num_classes}` was asked for and {model.name} has {count}; leave it out, or "
            "train a model with other classes."
        )
    return Plan(
        request=request,
        model=model,
        output=output,
        weights=parse_weights(request.weights) if request.weights else None,
        classes=_classes(request.labels) if request.labels else None,
        images=GivenImages(
            golden=read_images(request.golden, option="--golden") if request.golden else None,
            verify=read_images(request.verify_images, option="--verify-images") if request.verify_images else [],
            calibrate=read_images(request.calibrate, option="--calibrate") if request.calibrate else None,
        ),
        notes=notes,
    )


def _classes(labels: str | Sequence[str]) -> tuple[ClassInfo, ...]:
    return read_labels(labels) if isinstance(labels, str) else listed_labels(labels)


def _replaced(output: Path) -> str:
    """Says what the artifact will take the place of; raises if that is no artifact, but somebody's own file."""
    try:
        is_artifact = any(key.startswith(KEY_PREFIX) for key in read_parts(output).props)
    except ArtifactError:
        is_artifact = False
    if not is_artifact:
        raise RequestError(
            f"`--output {output}` is there, and is no artifact of imgcls; name another file, or remove it."
        )
    written = datetime.fromtimestamp(output.stat().st_mtime).astimezone()
    return f"{output}, written {written:%Y-%m-%d %H:%M}, is replaced when this succeeds; `--output` names another"


def _check_output(output: Path) -> None:
    """Raises if the artifact cannot be written there: not a .onnx name, a folder, a place that cannot be written."""
    if output.is_dir():
        raise RequestError(f"`--output {output}` is a folder; name a file in it, as `{output}/NAME.onnx`.")
    if output.suffix != ".onnx":
        raise RequestError(f"`--output {output}` must name a .onnx file, as `{output.with_suffix('.onnx')}`.")
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


def fall_back(plan: Plan, error: DownloadError) -> Plan:
    """Plans the conversion of the bundled model in the place of the default one.

    Args:
        plan: whose weights could not be downloaded.
        error: what its sources did.

    Raises:
        DownloadError: a model was named, or options that are about one; it says which.
    """
    request = plan.request
    if request.model is not None:
        raise error
    if options := _options_of_a_model(request):
        given = " and ".join(f"`{name}`" for name in options)
        raise DownloadError(
            error.what,
            error.attempts,
            f"Because {given} {'was' if len(options) == 1 else 'were'} given, no other model takes its place; "
            f"`imgcls-convert {bundled.BUNDLED}` converts the bundled one.",
        ) from error
    try:
        bundled.bundled_folder()
    except RequestError:
        raise error from None  # an incomplete installation: the download is what is left
    instead = plan_conversion(replace(request, model=bundled.BUNDLED))
    missed = plan.model.name
    note = (
        f"the weights of {missed} cannot be downloaded: tried {'; '.join(error.attempts)}. Converting the bundled "
        f"model {instead.model.name} ({bundled.DATASET}) instead, to {instead.output}. For {missed} run "
        f"`imgcls-convert {missed}` where its weights can be reached, or give them: "
        f"`imgcls-convert {missed} --weights FILE`"
    )
    return replace(instead, fallback=Fallback(missed, error.attempts), notes=[note, *instead.notes])


def _options_of_a_model(request: ConvertRequest) -> list[str]:
    names = [field.name for field in fields(request) if field.name not in _NEUTRAL]
    return [f"--{name.replace('_', '-')}" for name in names if getattr(request, name) is not None]
