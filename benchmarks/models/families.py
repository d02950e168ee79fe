"""Converts one small network of each family of transformers and asks transformers' own pipeline about the same images.

    uv run python benchmarks/models/families.py RESULTS.json [NAME…]

Each network has random weights whose answers differ from image to image, is saved by transformers, converted by the
folder's name, and compared on images of several shapes with `pipeline("image-classification")` and the Pillow image
processor: that comparison shares no code with the conversion's own.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as hf
from imgcls_cli.progress import SilentProgress
from imgcls_convert.conversion import convert
from imgcls_convert.request import ConvertRequest
from imgcls_core import OnnxClassifier
from imgcls_core.errors import ImgclsError
from PIL import Image
from speaking_weights import images_of
from transformers_models import CASES

SHAPES = ((301, 400), (411, 300), (97, 63), (64, 640), (224, 224))  # height, width in pixels


def pictures() -> list[Image.Image]:
    """Gives an image of each shape."""
    made: list[Image.Image] = []
    for seed, (height, width) in enumerate(SHAPES):
        levels = (images_of(1, (height, width), seed)[0] * 60 + 128).clamp(0, 255).byte()
        made.append(Image.fromarray(levels.permute(1, 2, 0).numpy()))
    return made


def pipeline_answers(folder: Path, images: list[Image.Image]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Gives what transformers answers, [images, classes], in the order of the classes."""
    network = hf.AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32)
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    classify = hf.pipeline("image-classification", network, image_processor=processor)
    order = [network.config.id2label[i] for i in range(network.config.num_labels)]
    rows = [{entry["label"]: entry["score"] for entry in classify(image, top_k=len(order))} for image in images]
    return np.array([[row[label] for label in order] for row in rows])


def measure(name: str) -> dict[str, Any]:
    """Converts one family and gives its row."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, output = Path(scratch) / "model", Path(scratch) / "model.onnx"
        CASES[name](folder)
        start = time.perf_counter()
        try:
            report = convert(ConvertRequest(model=str(folder), output=output), SilentProgress())
        except ImgclsError as error:
            sentence = str(error).replace(scratch, "…")
            return {"family": name, "refused": sentence, "code": getattr(error, "exit_code", 5)}
        seconds = time.perf_counter() - start
        images = pictures()
        expected = pipeline_answers(folder, images)
        classifier = OnnxClassifier(output, provider="cpu", threads=1)
        found = np.concatenate([classifier.predict(np.asarray(image)) for image in images])
        parity = report.metadata.parity
        moved = [note for note in report.notes if "takes unless told otherwise" in note]
        spec = report.metadata.preprocessing
        return {
            "family": name,
            "class": report.metadata.source.architecture,
            "seconds": round(seconds, 1),
            "parity_max_abs_diff": parity.max_abs_diff if parity else None,
            "pipeline_max_abs_diff": float(np.abs(found - expected).max()),
            "pipeline_top1": f"{int((found.argmax(1) == expected.argmax(1)).sum())} of {len(images)}",
            "distinct_answers": len(set(expected.argmax(1).tolist())),
            "torchvision_processor": moved[0].split("moves ")[-1] if moved else None,
            "preprocessing": f"{spec.resize_mode} {spec.resize_size or ''} {spec.crop or ''} {spec.size} "
            f"{spec.interpolation} {spec.channels}",
        }


def keep(results: Path, names: Sequence[str], asked: Sequence[str], measure: Callable[[str], dict[str, Any]]) -> None:
    """Measures those that are asked for, or all, and keeps the results after each."""
    torch.set_num_threads(1)
    hf.logging.set_verbosity_error()
    hf.logging.disable_progress_bar()
    rows: dict[str, Any] = json.loads(results.read_text()) if results.exists() else {}
    for name in asked or names:
        try:
            rows[name] = measure(name)
        except Exception as error:  # noqa: BLE001 - one network must not keep the others from being measured
            rows[name] = {"family": name, "broken": f"{type(error).__name__}: {error}"[:500]}
        sys.stdout.write(f"{json.dumps(rows[name], ensure_ascii=False)}\n")
        sys.stdout.flush()
        ordered = {key: rows[key] for key in names if key in rows}
        results.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    keep(Path(sys.argv[1]), list(CASES), sys.argv[2:], measure)
