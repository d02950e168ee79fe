"""One conversion from request to report: the steps in order, each in a module of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import onnx
import torch
import torchvision
from imgcls_core.artifact import ArtifactMetadata, ClassInfo, Source
from imgcls_core.session import import_runtime

from imgcls_convert import parity
from imgcls_convert.artifact_file import check_output, move_into_place, scratch_folder, with_metadata
from imgcls_convert.checkpoint import Checkpoint, load_into, read_checkpoint
from imgcls_convert.download import WeightsSource, fetch
from imgcls_convert.errors import RequestError
from imgcls_convert.export import count_outputs, export_artifact_graph
from imgcls_convert.golden_choice import choose_golden, golden_case
from imgcls_convert.labelled_images import read_images
from imgcls_convert.labels import numbered_labels, read_labels
from imgcls_convert.narrator import Narrator
from imgcls_convert.network import NamedNetwork, find_network
from imgcls_convert.parity import ParityImage
from imgcls_convert.preprocessing_choice import choose_preprocessing
from imgcls_convert.reference import ReferenceClassifier
from imgcls_convert.report import ConversionReport, measure_accuracy
from imgcls_convert.request import ConvertRequest


def convert(request: ConvertRequest, narrator: Narrator) -> ConversionReport:
    """Converts, proves and writes.

    Returns:
        The report; the artifact and NAME.report.json are on disk.

    Raises:
        RequestError: what was asked for cannot be done as asked.
        DownloadError: the weights cannot be had.
        ConversionError: the checkpoint does not fit, the export fails or the answers differ; nothing is written.
    """
    notes = _Notes(narrator)
    seconds: dict[str, float] = {}
    # What a person may have mistyped is looked at before anything slow begins.
    named = find_network(request)
    output = request.output or Path("models") / f"{named.name}.onnx"
    check_output(output)
    given_classes = read_labels(request.labels) if request.labels else named.classes
    preprocessing = choose_preprocessing(request, named.preprocessing, notes)
    listed = read_images(request.golden, option="--golden") if request.golden else None
    verify = read_images(request.verify_images, option="--verify-images") if request.verify_images else []

    narrator.step(f"Loading {named.architecture}")
    with _timed(seconds, "load"):
        checkpoint = _checkpoint(request, named, notes)
        network = named.build()
        if checkpoint:
            load_into(network, checkpoint)
        classes = _classes(given_classes, count_outputs(network, preprocessing.size), request, notes)
    golden = choose_golden(listed, notes)
    images = [ParityImage(image.name, image.encoded, image.class_id) for image in golden]
    recorded = {image.name for image in golden}
    images += [ParityImage(i.name, i.path.read_bytes(), i.class_id) for i in verify if i.name not in recorded]
    _check_class_ids(images, len(classes))

    narrator.step(f"Asking PyTorch about {len(images)} images")
    with _timed(seconds, "pytorch"):
        reference = ReferenceClassifier(network, preprocessing)
        expected = parity.pytorch_answers(images, reference, narrator)

    narrator.step("Exporting to ONNX (opset 18)")
    with _timed(seconds, "export"):
        model = export_artifact_graph(network, preprocessing, len(classes))
    metadata = ArtifactMetadata(
        name=output.stem,
        classes=classes,
        preprocessing=preprocessing,
        source=_source(named, checkpoint),
        parity=None,
        golden=tuple(golden_case(image, answer) for image, answer in zip(golden, expected, strict=False)),
    )

    with scratch_folder(output) as folder:
        unfinished = folder / output.name
        unfinished.write_bytes(with_metadata(model, metadata))
        comparisons: list[parity.ImageComparison] = []
        if request.skip_verify:
            notes.note("NOT VERIFIED: --skip-verify was given, nobody knows whether this artifact equals PyTorch")
        else:
            narrator.step(f"Comparing ONNX with PyTorch on {len(images)} images")
            with _timed(seconds, "verify"):
                comparisons = parity.compare(images, expected, unfinished, narrator)
                metadata = msgspec.structs.replace(metadata, parity=parity.check(comparisons))
            unfinished.write_bytes(with_metadata(model, metadata))
        content = unfinished.read_bytes()
        report = ConversionReport(
            artifact=output,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            metadata=metadata,
            accuracy=measure_accuracy(comparisons),
            images=sorted(comparisons, key=lambda row: (row.agrees, -row.max_abs_diff)),
            notes=notes.texts,
            seconds=seconds,
        )
        report_file = folder / report.path.name
        report_file.write_bytes(report.to_json())
        move_into_place({unfinished: output, report_file: report.path})
    return report


def _checkpoint(request: ConvertRequest, named: NamedNetwork, narrator: Narrator) -> Checkpoint | None:
    if request.weights and request.weights.startswith(("http://", "https://")):
        source = WeightsSource.parse(request.weights)
        if source.sha256 is None:
            narrator.note("the download is not pinned; `--weights URL#sha256=HEX` would check it")
        return read_checkpoint(fetch([source], what=named.name, narrator=narrator))
    if request.weights:
        return read_checkpoint(Path(request.weights))
    if named.sources:
        return read_checkpoint(fetch(named.sources, what=named.name, narrator=narrator))
    if request.num_classes is not None and named.preprocessing is not None:
        raise RequestError(
            f"There are no published weights of {named.name} for {request.num_classes} classes; give your checkpoint "
            "with `--weights FILE`."
        )
    narrator.note(f"no --weights were given: the network is converted as {named.architecture} makes it")
    return None


def _classes(
    given: tuple[ClassInfo, ...] | None, outputs: int, request: ConvertRequest, narrator: Narrator
) -> tuple[ClassInfo, ...]:
    if given is None:
        narrator.note(
            f"no labels were given: the {outputs} classes are called class_0, class_1, …; say `--labels FILE`"
        )
        return numbered_labels(outputs)
    if len(given) != outputs:
        what = f"The labels {request.labels!r} name" if request.labels else "The published labels name"
        raise RequestError(
            f"{what} {len(given)} classes and the network has {outputs} outputs; give `--labels` that fit."
        )
    return given


def _check_class_ids(images: list[ParityImage], classes: int) -> None:
    for image in images:
        if image.class_id is not None and image.class_id >= classes:
            raise RequestError(
                f"The image {image.name!r} is labelled {image.class_id}; the classes are 0 to {classes - 1}."
            )


def _source(named: NamedNetwork, checkpoint: Checkpoint | None) -> Source:
    return Source(
        architecture=named.architecture,
        weights_sha256=checkpoint.sha256 if checkpoint else None,
        weights=checkpoint.path.name if checkpoint else None,
        precision="fp32",
        torch=str(torch.__version__),
        torchvision=str(torchvision.__version__),
        onnx=onnx.__version__,
        onnxruntime=import_runtime().__version__,
        imgcls_convert=version("imgcls-convert"),
    )


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Generator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)


class _Notes:
    """Passes everything on and keeps the notes for the report."""

    def __init__(self, narrator: Narrator) -> None:
        self._narrator = narrator
        self.texts: list[str] = []
        self.step, self.track, self.download = narrator.step, narrator.track, narrator.download

    def note(self, text: str) -> None:
        self.texts.append(text)
        self._narrator.note(text)
