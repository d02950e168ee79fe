"""The command `verify --model`: an artifact against the PyTorch network that it was made from."""

from __future__ import annotations

from pathlib import Path

import msgspec
from imgcls_cli.progress import SilentProgress
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_core.inference.golden import golden_image
from imgcls_networks.errors import RequestError
from imgcls_networks.loading import load_classifier
from imgcls_networks.network import find_network
from imgcls_networks.pytorch_classifier import PyTorchClassifier

from imgcls_convert.images.files import LoadedImage, read_images
from imgcls_convert.images.selection import ImageSelection
from imgcls_convert.parity.comparison import Evidence, compare_with_pytorch
from imgcls_convert.parity.gate import FP32_TOLERANCE, MIN_AGREEMENT
from imgcls_convert.parity.verify import Authenticity, Verification, VerifiedImage
from imgcls_convert.plan import plan_conversion
from imgcls_convert.request import ConvertRequest


def verify_against_pytorch(
    path: Path,
    origin: Authenticity,
    *,
    model: str,
    weights: str | None,
    state_key: str | None,
    output_name: str | None,
    images: Path | None,
    trust: bool,
    provider: str,
) -> Verification:
    """Asks PyTorch again, with the artifact's own preprocessing.

    Args:
        path: the artifact.
        origin: from `read_origin`.
        model: MODEL, as for a conversion.
        weights: its checkpoint.
        state_key: which set of its weights is meant, where it has several.
        output_name: which output is meant, where it is an ONNX file with several.
        images: a folder whose images are asked besides the golden ones.
        trust: whether code that comes in the file of MODEL may run.
        provider: what answers, as `OnnxClassifier` takes it.

    Raises:
        ArtifactError: there is no artifact at the path.
        RequestError: the model is unknown, or its checkpoint or number of classes is not the artifact's.
    """
    metadata = OnnxClassifier(path, provider="cpu", warm_up=False).metadata
    asked = [LoadedImage(case.name, golden_image(case), case.expected_class_id) for case in metadata.golden]
    known = {image.encoded for image in asked}
    listed = read_images(images, option="--images") if images else []
    asked += [image for image in (entry.load() for entry in listed) if image.encoded not in known]

    progress = SilentProgress()
    plan = plan_conversion(
        ConvertRequest(
            model=model, weights=weights, state_key=state_key, output_name=output_name, output=path, trust=trust
        )
    )
    found = find_network(plan.model, None, own_weights=weights is not None)
    classifier, file = load_classifier(found, plan.weights, metadata.preprocessing.size, progress, state_key=state_key)
    recorded = metadata.source.weights_sha256
    if file and recorded and file.sha256 != recorded:
        raise RequestError(
            f"{path.name!r} was made from weights with SHA-256 {recorded[:16]}…, {file.path.name!r} has "
            f"{file.sha256[:16]}…; give the checkpoint that it was converted from."
        )
    if classifier.classes != len(metadata.classes):
        raise RequestError(
            f"{path.name!r} has {len(metadata.classes)} classes, {model!r} has {classifier.classes}; "
            "name the model that it was made from."
        )
    # Decoding at a reduced scale is the artifact's own choice, and no library's.
    own = msgspec.structs.replace(metadata.preprocessing, decode="exact") == found.preprocessing
    pytorch = PyTorchClassifier(classifier, metadata.preprocessing, found.prepare if own else None)
    answers = pytorch.answers([(image.name, image.encoded) for image in asked], progress)
    evidence = Evidence(ImageSelection(asked, asked), answers, pytorch.exact, pytorch.rounded)
    rows = compare_with_pytorch(evidence, path, progress, provider=provider).rows
    precision, proven = metadata.source.precision, metadata.parity
    exact = proven.tolerance if proven else FP32_TOLERANCE
    return Verification(
        path,
        origin,
        found.yardstick or f"PyTorch ({found.architecture})",
        exact if precision == "fp32" else metadata.golden_tolerance,
        MIN_AGREEMENT[precision],
        [VerifiedImage(r.name, r.pytorch_class_id, r.onnx_class_id, r.max_abs_diff, r.agrees) for r in rows],
    )
