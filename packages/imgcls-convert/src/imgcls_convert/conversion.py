"""One conversion from a plan to a report: load, ask PyTorch, export, prove, write."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

import msgspec
import onnx
import torch
import torchvision
from imgcls_cli.files import move_into_place
from imgcls_cli.progress import Progress
from imgcls_contract import Accuracy
from imgcls_core.artifact import ArtifactMetadata, Source
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.architectures.onnx_file import OnnxNetwork
from imgcls_networks.errors import DownloadError
from imgcls_networks.labels import fit_labels
from imgcls_networks.loading import load_classifier
from imgcls_networks.network import find_network
from imgcls_networks.pytorch_classifier import PyTorchClassifier

from imgcls_convert.graph.artifact import scratch_folder, write_artifact
from imgcls_convert.graph.embed import embed_network
from imgcls_convert.graph.export import OPSET, export_network
from imgcls_convert.images.selection import select_images
from imgcls_convert.parity.comparison import Evidence
from imgcls_convert.parity.decoding import judge_decode
from imgcls_convert.parity.gate import Gate
from imgcls_convert.parity.golden import check_proves, record_golden
from imgcls_convert.parity.speed import with_costs
from imgcls_convert.plan import Plan, fall_back, plan_conversion
from imgcls_convert.preprocessing import choose_preprocessing
from imgcls_convert.quantize.reduction import MAX_FLOAT_SHARE, Choice, reduce
from imgcls_convert.quantize.second_look import MOST_SECOND_LOOKS
from imgcls_convert.report.page import report_page
from imgcls_convert.report.report import ConversionReport, report_time
from imgcls_convert.request import ConvertRequest


def convert(request: ConvertRequest, progress: Progress) -> ConversionReport:
    """Converts, proves and writes.

    Returns:
        The report; the artifact and NAME.report.json are on disk.

    Raises:
        RequestError: what was asked for cannot be done as asked.
        DownloadError: the weights cannot be had.
        NetworkError: the checkpoint does not fit, or the network is no classifier; nothing is written.
        ConversionError: the export fails or the answers differ; nothing is written.
    """
    return run(plan_conversion(request), progress)


def run(plan: Plan, progress: Progress) -> ConversionReport:
    """As `convert`, for a request that has been checked already."""
    try:
        return _run(plan, progress)
    except DownloadError as error:  # before anything was written
        return _run(fall_back(plan, error), progress)


def _run(plan: Plan, progress: Progress) -> ConversionReport:
    request, output = plan.request, plan.output
    seconds: dict[str, float] = {}
    notes = _Notes(progress)
    for text in plan.notes:
        notes.note(text)

    found = find_network(plan.model, request.num_classes, own_weights=plan.weights is not None)
    preprocessing, reference = choose_preprocessing(request, found, notes)
    whole = msgspec.structs.replace(preprocessing, decode="exact")
    own = whole == found.preprocessing
    yardstick = found.yardstick or "PyTorch"
    notes.step(f"Loading {found.architecture}")
    with _timed(seconds, "load"):
        classifier, weights = load_classifier(
            found, plan.weights, preprocessing.size, notes, state_key=request.state_key
        )
        classes = fit_labels(
            plan.classes or found.classes,
            classifier.classes,
            single_output=classifier.has_single_output,
            named=request.labels if isinstance(request.labels, str | None) else "given",
            progress=notes,
        )

    images = select_images(
        plan.images,
        len(classes),
        preprocessing,
        reduced=request.precision != "fp32",
        judged=not request.skip_verify,
        progress=notes,
    )
    notes.step(f"Asking {yardstick} about {len(images.compared)} images")
    with _timed(seconds, "pytorch"):
        pytorch = PyTorchClassifier(classifier, preprocessing, found.prepare if own else None)
        asked = [(image.name, image.encoded) for image in images.compared]
        answers = pytorch.answers(asked, notes)
        for name, prepare in found.other_preparations.items() if own else ():
            notes.note(pytorch.other_preparation(name, prepare, asked, answers))
        stages = pytorch.decoded([image.encoded for image in images.golden])
        calibration = [pytorch.pixels(image.encoded)[None].numpy() for image in images.calibration]
        decoding = None
        if images.large:
            notes.step(f"Decoding {len(images.large)} large photos at a reduced scale")
            asked = [(image.name, image.encoded) for image in images.large]
            before, now = (
                (spec, PyTorchClassifier(classifier, spec, pytorch.prepare).answers(asked, notes))
                for spec in (whole, preprocessing)
            )
            decoding = judge_decode(images, before, now, request.min_agreement)
    with _timed(seconds, "golden"):
        if not (request.weak_proof or request.skip_verify):
            check_proves(answers[: len(images.golden)], yardstick)
        golden = record_golden(pytorch, images.golden, stages, answers, notes)

    # How often the network is right: by its card, else on the labelled images that PyTorch was asked about.
    right = [
        row.argmax() == i.class_id for i, row in zip(images.compared, answers, strict=True) if i.class_id is not None
    ]
    accuracy = Accuracy(sum(map(int, right)), len(right), "the images of its conversion") if right else None
    if found.trained and (known := found.trained.evaluation):
        accuracy = Accuracy(round(known.top1_pct / 100 * known.images), known.images, known.split)

    is_onnx = isinstance(classifier.network, OnnxNetwork)  # which is taken as it is
    notes.step(f"Taking the graph of {yardstick}" if is_onnx else f"Exporting to ONNX (opset {OPSET})")
    with _timed(seconds, "export"):
        network = (embed_network if is_onnx else export_network)(classifier, preprocessing.size)
    metadata = ArtifactMetadata(
        name=output.stem,
        classes=classes,
        preprocessing=preprocessing,
        source=Source(
            architecture=found.architecture,
            weights_sha256=weights.sha256 if weights else None,
            weights=", ".join(filter(None, [weights.path.name, weights.key, found.about_weights])) if weights else None,
            terms=" ".join(found.trained.terms.split()) or None if found.trained else None,
            precision=found.expected.precision if found.expected else "fp32",
            torch=str(torch.__version__),
            torchvision=str(torchvision.__version__),
            onnx=onnx.__version__,
            onnxruntime=import_runtime().__version__,
            imgcls_convert=version("imgcls-convert"),
            yardstick=found.yardstick,
        ),
        parity=None,
        golden=golden,
        reference=reference,
        accuracy=accuracy,
    )

    gate = None
    if request.skip_verify:
        notes.note(f"NOT VERIFIED: --skip-verify was given, nobody knows whether this artifact equals {yardstick}")
    else:
        gate = Gate(Evidence(images, answers, pytorch.exact, pytorch.rounded), request.min_agreement, notes)
    choice = Choice(network, (), tuple)
    with scratch_folder(output) as folder:
        unfinished = folder / output.name
        drafts: list[Path] = []
        with _timed(seconds, "verify"):
            # float32 first: what a smaller precision is compared with must itself be right.
            for precision in dict.fromkeys(("fp32", request.precision)):
                if precision != "fp32":
                    notes.step(f"Reducing to {precision}")
                    choice = reduce(
                        network,
                        precision,
                        calibration,
                        notes,
                        float_layers=[name for name in (request.float_layers or "").split(",") if name],
                        float_share=_share(request.float_share, MAX_FLOAT_SHARE),
                        most_second_looks=_share(request.second_look, MOST_SECOND_LOOKS),
                    )
                    source = msgspec.structs.replace(metadata.source, precision=precision)
                    metadata = msgspec.structs.replace(metadata, parity=None, source=source)
                drafts.append(unfinished if precision == request.precision else folder / f"fp32-{output.name}")
                look = choice.second_look
                doubtful = 0.0 if look is None or look.is_taken else look.share
                admit = gate and partial(gate.admit, rank=choice.rank, doubtful=doubtful)
                metadata = write_artifact(drafts[-1], choice.model, metadata, admit)
            table = with_costs(gate.table, drafts, images.scoring or images.compared) if gate else []
        content = unfinished.read_bytes()
        report = ConversionReport(
            artifact=output,
            model=str(plan.model),
            trained=found.trained,
            fallback=plan.fallback,
            sha256=hashlib.sha256(content).hexdigest(),
            size_bytes=len(content),
            metadata=metadata,
            table=table,
            decoding=decoding,
            float_layers=choice.float_layers,
            second_look=look if (look := choice.second_look) and look.is_taken else None,
            held_out=images.held_out,
            images=gate.comparisons if gate else (),
            encoded={image.name: image.encoded for image in images.compared},
            notes=notes.texts,
            seconds=seconds,
            created=report_time(),
        )
        report_file = folder / report.path.name
        report_file.write_bytes(report.to_json())
        page_file = folder / report.page_path.name
        page_file.write_text(report_page(report), encoding="utf-8")
        move_into_place({page_file: report.page_path, report_file: report.path, unfinished: output})
    return report


def _share(percent: float | None, default: float) -> float:
    return default if percent is None else percent / 100


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
        self.step, self.track, self.transfer = progress.step, progress.track, progress.transfer

    def note(self, text: str) -> None:
        self.texts.append(text)
        self._progress.note(text)
