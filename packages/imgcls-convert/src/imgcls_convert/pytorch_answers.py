"""Asks PyTorch about an artifact that exists already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from imgcls_core.artifact import ArtifactMetadata
from imgcls_networks.errors import RequestError
from imgcls_networks.network import find_network, obtain_network
from imgcls_networks.probability_network import with_probabilities
from imgcls_networks.progress import SilentProgress
from imgcls_networks.pytorch_classifier import PyTorchClassifier

from imgcls_convert import parity
from imgcls_convert.comparison import ParityImage
from imgcls_convert.plan import plan_conversion
from imgcls_convert.precision import AGREEMENT_BAR
from imgcls_convert.request import ConvertRequest
from imgcls_convert.verification import Verification, VerifiedImage


def ask_pytorch(
    path: Path, metadata: ArtifactMetadata, images: Sequence[ParityImage], *, model: str, weights: str | None
) -> Verification:
    """Compares an artifact with the network that it was made from, with the artifact's own preprocessing.

    Raises:
        RequestError: the checkpoint or the number of classes is not the artifact's.
    """
    progress = SilentProgress()
    plan = plan_conversion(ConvertRequest(model=model, weights=weights, output=path))
    named = find_network(plan.model, None, own_weights=weights is not None)
    network, file = obtain_network(named, plan.weights, progress)
    recorded = metadata.source.weights_sha256
    if file and recorded and file.sha256 != recorded:
        raise RequestError(
            f"{path.name!r} was made from weights with SHA-256 {recorded[:16]}…, {file.path.name!r} has "
            f"{file.sha256[:16]}…; give the checkpoint that it was converted from."
        )
    temperature = named.trained.temperature if named.trained else 1.0
    classifier = with_probabilities(network, metadata.preprocessing.size, temperature)
    if classifier.classes != len(metadata.classes):
        raise RequestError(
            f"{path.name!r} has {len(metadata.classes)} classes, {model!r} has {classifier.classes}; "
            "name the model that it was made from."
        )
    expected = parity.pytorch_answers(images, PyTorchClassifier(classifier, metadata.preprocessing), progress)
    rows = parity.compare(images, expected, path, progress)
    precision = metadata.source.precision
    return Verification(
        path,
        f"PyTorch ({named.architecture})",
        parity.FP32_TOLERANCE if precision == "fp32" else metadata.golden_tolerance,
        AGREEMENT_BAR[precision],
        [VerifiedImage(r.name, r.pytorch_class_id, r.onnx_class_id, r.max_abs_diff) for r in rows],
    )
