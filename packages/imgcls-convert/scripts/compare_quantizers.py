"""Sets imgcls' own int8 beside ONNX Runtime's `quantize_static`: agreement with float32, |Δp| and speed. Takes minutes.

    uv run python packages/imgcls-convert/scripts/compare_quantizers.py MODEL PHOTOS [WEIGHTS]

PHOTOS is a folder; every second image calibrates and the others judge, so no image does both.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from imgcls_cli.progress import SilentProgress
from imgcls_convert.graph.export import export_network
from imgcls_convert.images.files import read_images
from imgcls_convert.preprocessing import choose_preprocessing
from imgcls_convert.quantize.reduction import reduce
from imgcls_convert.request import ConvertRequest
from imgcls_core.artifact import NETWORK_INPUT
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_networks.loading import load_classifier
from imgcls_networks.models.reference import parse_model
from imgcls_networks.network import find_network
from imgcls_networks.pytorch_classifier import PyTorchClassifier
from onnxruntime import quantization
from onnxruntime.quantization.shape_inference import quant_pre_process

Pixels = np.ndarray  # float32 [1, 3, height, width], normalised
HALVES = (0.5, 0.5, 0.5)  # mean and std of a network that publishes none


class Reader(quantization.CalibrationDataReader):
    """Hands the images out one by one."""

    def __init__(self, images: list[Pixels]) -> None:
        self._left: Iterator[Pixels] = iter(images)

    def get_next(self) -> dict[str, Pixels] | None:
        """Gives the next image, or None at the end."""
        return next(({NETWORK_INPUT: image} for image in self._left), None)


def of_onnxruntime(network: onnx.ModelProto, images: list[Pixels], **options: object) -> onnx.ModelProto:
    """Quantises as ONNX Runtime's documentation says: preprocess, then calibrate and write QDQ."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx.save(network, folder / "float.onnx")
        quant_pre_process(folder / "float.onnx", folder / "ready.onnx")
        quantization.quantize_static(folder / "ready.onnx", folder / "int8.onnx", Reader(images), **options)
        return onnx.load(folder / "int8.onnx")


def main(model: str, photos: Path, weights: Path | None = None) -> None:
    """Prints one row for each way."""
    found = find_network(parse_model(model), None, own_weights=weights is not None)
    own = found.preprocessing is None
    request = ConvertRequest(model, mean=HALVES if own else None, std=HALVES if own else None)
    preprocessing, _ = choose_preprocessing(request, found, SilentProgress())
    classifier, _ = load_classifier(found, weights, preprocessing.size, SilentProgress())
    pytorch = PyTorchClassifier(classifier, preprocessing)
    images = [pytorch.pixels(image.path.read_bytes()).numpy() for image in read_images(photos, option="PHOTOS")]
    calibrating, judging = images[::2], images[1::2]
    exported = export_network(classifier, preprocessing.size)
    percentile = {"calibrate_method": quantization.CalibrationMethod.Percentile, "per_channel": True}
    unsigned = {"activation_type": quantization.QuantType.QUInt8, "weight_type": quantization.QuantType.QInt8}
    ways = {
        "float32": lambda: exported,
        "imgcls": lambda: reduce(exported, "int8", calibrating, SilentProgress()).model,
        "quantize_static, its defaults": lambda: of_onnxruntime(exported, calibrating),
        "quantize_static, per channel, percentile": lambda: of_onnxruntime(exported, calibrating, **percentile),
        "  the same, unsigned": lambda: of_onnxruntime(exported, calibrating, **percentile, **unsigned),
    }
    runtime = import_runtime()
    sessions, seconds = {}, {}
    for way, make in ways.items():
        start = time.perf_counter()
        content = make().SerializeToString()
        seconds[way] = time.perf_counter() - start
        sessions[way] = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    answers: dict[str, list[np.ndarray]] = {way: [] for way in ways}
    times: dict[str, list[float]] = {way: [] for way in ways}
    for image in judging:  # in turns, so that all see the same load
        for way, session in sessions.items():
            start = time.perf_counter()
            answers[way].append(session.run(None, {NETWORK_INPUT: image})[0][0])
            times[way].append((time.perf_counter() - start) * 1000)
    expected = np.array(answers["float32"])
    print(f"{len(calibrating)} photos calibrate, {len(judging)} judge")
    for way in ways:
        actual = np.array(answers[way])
        agreement = (actual.argmax(axis=1) == expected.argmax(axis=1)).mean()
        distance = np.abs(actual - expected).max(axis=1).mean()
        print(
            f"{way:<42} agreement {agreement:7.2%}  mean |Δp| {distance:.4f}  "
            f"{statistics.median(times[way]):6.2f} ms  made in {seconds[way]:5.1f} s"
        )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(Path, sys.argv[3:4]))
