"""One conversion from request to report: the steps in order, each in a module of its own."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

import onnx
import torch
import torchvision
from imgcls_core.artifact import ArtifactMetadata, ClassInfo, Source
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.architectures.named_network import NamedNetwork
from imgcls_networks.architectures.trained_network import fitting_reference
from imgcls_networks.errors import DownloadError, RequestError
from imgcls_networks.labels import numbered_labels
from imgcls_networks.models.trained_model import card_words
from imgcls_networks.network import WeightsFile, find_network, obtain_network
from imgcls_networks.probability_network import (
    OutputKind,
    ProbabilityNetwork,
    looks_like_independent_probabilities,
    with_probabilities,
)
from imgcls_networks.progress import Progress
from imgcls_networks.pytorch_classifier import PyTorchClassifier

from imgcls_convert import parity
from imgcls_convert.artifact_file import move_into_place, scratch_folder
from imgcls_convert.calibration_images import split_images
from imgcls_convert.comparison import ParityImage
from imgcls_convert.export import export_network
from imgcls_convert.fallback import fall_back, fallback_words
from imgcls_convert.golden_choice import choose_golden, golden_case
from imgcls_convert.judging import Evidence, write_and_judge
from imgcls_convert.plan import Plan, plan_conversion
from imgcls_convert.preprocessing_choice import choose_preprocessing
from imgcls_convert.report import ConversionReport, report_time
from imgcls_convert.report_page import report_page
from imgcls_convert.request import ConvertRequest


def convert(request: ConvertRequest, progress: Progress) -> ConversionReport:
    """Converts, proves and writes.

    Returns:
        The report; the artifact and NAME.report.json are on disk.

    Raises:
        RequestError: what was asked for cannot be done as asked.
        DownloadError: the weights cannot be had.
        ConversionError: the checkpoint does not fit, the export fails or the answers differ; nothing is written.
    """
    return carry_out(plan_conversion(request), progress)


def carry_out(plan: Plan, progress: Progress) -> ConversionReport:
    """As `convert`, for a request that has been checked already."""
    try:
        return _carry_out(plan, progress)
    except DownloadError as error:  # before anything was written
        return _carry_out(fall_back(plan, error), progress)


def _carry_out(plan: Plan, progress: Progress) -> ConversionReport:
    request, output = plan.request, plan.output
    notes = _Notes(progress)
    if plan.fallback:
        notes.note(fallback_words(plan, plan.fallback))
    seconds: dict[str, float] = {}
    named = find_network(plan.model, request.num_classes, own_weights=plan.weights is not None)
    preprocessing = choose_preprocessing(request, named.preprocessing, notes)

    progress.step(f"Loading {named.architecture}")
    with _timed(seconds, "load"):
        network, weights = obtain_network(named, plan.weights, notes)
        trained = named.trained
        classifier = with_probabilities(network, preprocessing.size, trained.temperature if trained else 1.0)
        _tell_ending(classifier, preprocessing.size, notes)
        _check_num_classes(request.num_classes, classifier.classes)
        classes = _classes(plan.classes or named.classes, classifier, request, notes)
    golden = choose_golden(plan.golden, notes)
    evidence = _ask_pytorch(plan, golden, PyTorchClassifier(classifier, preprocessing), len(classes), notes, seconds)

    progress.step("Exporting to ONNX (opset 18)")
    with _timed(seconds, "export"):
        exported = export_network(classifier, preprocessing.size)
    metadata = ArtifactMetadata(
        name=output.stem,
        classes=classes,
        preprocessing=preprocessing,
        source=_source(named, weights),
        parity=None,
        golden=tuple(golden_case(image, answer) for image, answer in zip(golden, evidence.answers, strict=False)),
        reference=fitting_reference(trained, preprocessing, notes) if trained else None,
    )
    if request.skip_verify:
        notes.note("NOT VERIFIED: --skip-verify was given, nobody knows whether this artifact equals PyTorch")
    with scratch_folder(output) as folder:
        unfinished = folder / output.name
        with _timed(seconds, "verify"):
            judged = write_and_judge(request, exported, metadata, evidence, unfinished, notes)
        content = unfinished.read_bytes()
        report = ConversionReport(
            artifact=output,
            model=str(plan.model),
            trained=trained,
            fallback=plan.fallback,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            metadata=judged.metadata,
            table=judged.table,
            float_layers=judged.float_layers,
            held_out=evidence.split is None or evidence.split.held_out,
            images=sorted(judged.comparisons, key=lambda row: (row.agrees, -row.max_abs_diff)),
            notes=notes.texts,
            seconds=seconds,
            created=report_time(),
        )
        report_file = folder / report.path.name
        report_file.write_bytes(report.to_json())
        page_file = folder / report.page_path.name
        pictures = {image.name: image.encoded for image in evidence.images}
        page_file.write_text(report_page(report, pictures), encoding="utf-8")
        move_into_place({page_file: report.page_path, report_file: report.path, unfinished: output})
    return report


def _ask_pytorch(
    plan: Plan,
    golden: Sequence[ParityImage],
    reference: PyTorchClassifier,
    classes: int,
    notes: _Notes,
    seconds: dict[str, float],
) -> Evidence:
    recorded = {image.name for image in golden}
    verify = [ParityImage(i.name, i.path.read_bytes(), i.class_id) for i in plan.verify if i.name not in recorded]
    reduced = plan.request.precision != "fp32"
    split = split_images(plan.calibrate, golden, verify, notes.note) if reduced else None
    images = [*golden, *verify, *(split.extra if split else ())]
    _check_class_ids(images, classes)
    notes.step(f"Asking PyTorch about {len(images)} images")
    with _timed(seconds, "pytorch"):
        answers = parity.pytorch_answers(images, reference, notes)
    return Evidence(images, answers, reference, split)


def _classes(
    given: tuple[ClassInfo, ...] | None, classifier: ProbabilityNetwork, request: ConvertRequest, progress: Progress
) -> tuple[ClassInfo, ...]:
    outputs = classifier.classes
    if given is None:
        progress.note(
            f"no labels were given: the {outputs} classes are called class_0, class_1, …; say `--labels FILE`"
        )
        return numbered_labels(outputs)
    single = classifier.output_kind in {OutputKind.ONE_LOGIT, OutputKind.ONE_PROBABILITY}
    if len(given) == 1 and single:
        return ClassInfo(0, f"not {given[0].label}"), ClassInfo(1, given[0].label, given[0].wnid)
    if len(given) != outputs:
        what = f"The labels {request.labels!r} name" if request.labels else "The published labels name"
        raise RequestError(
            f"{what} {len(given)} classes and the network has {outputs} outputs; give `--labels` that fit."
        )
    return given


def _check_num_classes(asked: int | None, found: int) -> None:
    if asked is not None and asked != found:
        raise RequestError(
            f"`--num-classes {asked}` was asked for and the network has {found}; where it comes from a file of yours, "
            "say it there or in the factory's arguments: `FILE.py:FACTORY(num_classes=N)`."
        )


def _tell_ending(classifier: ProbabilityNetwork, size: tuple[int, int], progress: Progress) -> None:
    if classifier.output_kind is OutputKind.SOFTMAX:
        progress.note("the network gives probabilities already (measured); no softmax is added")
    elif classifier.output_kind is not OutputKind.LOGITS:
        progress.note(
            f"the network gives {classifier.output_kind.value} (measured): class 1 of the two classes absent, present"
        )
    elif looks_like_independent_probabilities(classifier, size):
        progress.note(
            "the outputs stay within 0 to 1 without summing to 1, as those of a multi-label network do; a softmax is "
            "put over them all the same, because an artifact names one class per image"
        )


def _check_class_ids(images: Sequence[ParityImage], classes: int) -> None:
    for image in images:
        if image.class_id is not None and image.class_id >= classes:
            raise RequestError(
                f"The image {image.name!r} is labelled {image.class_id}; the classes are 0 to {classes - 1}."
            )


def _source(named: NamedNetwork, weights: WeightsFile | None) -> Source:
    return Source(
        architecture=named.architecture,
        weights_sha256=weights.sha256 if weights else None,
        weights=_weights_words(named, weights) if weights else None,
        precision="fp32",
        torch=str(torch.__version__),
        torchvision=str(torchvision.__version__),
        onnx=onnx.__version__,
        onnxruntime=import_runtime().__version__,
        imgcls_convert=version("imgcls-convert"),
    )


def _weights_words(named: NamedNetwork, weights: WeightsFile) -> str:
    return f"{weights.path.name}, {card_words(named.trained)}" if named.trained else weights.path.name


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Generator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = round(time.perf_counter() - start, 3)


class _Notes:
    """Passes everything on and keeps the notes for the report."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.texts: list[str] = []
        self.step, self.track, self.download = progress.step, progress.track, progress.download

    def note(self, text: str) -> None:
        self.texts.append(text)
        self._progress.note(text)
