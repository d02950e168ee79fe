"""What is bit-equal from place to place, and how far answers are apart where they are not.

    uv run python benchmarks/equality/measure.py ARTIFACT [FOLDER OF IMAGES]

The checksum of the pixels is to be compared between machines; everything else is measured on one.
"""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from imgcls_core import DecodeLimits, ImagePreprocessor, OnnxClassifier
from imgcls_core.images.decode import decode_image
from imgcls_core.inference.golden import golden_image
from imgcls_core.inference.onnx_runtime import import_runtime
from numpy.typing import NDArray

MOST_IMAGES = 64
MOST_PIXELS = 3_000_000


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def session_of(path: Path, *, threads: int = 1, optimised: bool = True) -> Any:  # noqa: ANN401 - onnxruntime is untyped
    """Opens the artifact on the CPU."""
    runtime = import_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    if not optimised:
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return runtime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])


def answers_of(session: Any, images: NDArray[np.uint8], batch: int = 1) -> NDArray[np.float32]:  # noqa: ANN401
    """Asks in batches of a size."""
    parts = [session.run(None, {"images": images[i : i + batch]})[0] for i in range(0, len(images), batch)]
    return np.concatenate(parts)


def main() -> None:
    """Prints one line for each comparison."""
    path = Path(sys.argv[1])
    classifier = OnnxClassifier(path, provider="cpu", threads=1)
    encoded = [golden_image(case) for case in classifier.metadata.golden]
    if len(sys.argv) > 2:
        files = sorted(
            file for file in Path(sys.argv[2]).rglob("*") if file.suffix.lower() in {".jpeg", ".jpg", ".png"}
        )
        encoded += [file.read_bytes() for file in files[:MOST_IMAGES]]
    originals = [np.asarray(decode_image(io.BytesIO(one), DecodeLimits())) for one in encoded]
    originals = [pixels for pixels in originals if pixels.size < 3 * MOST_PIXELS]
    preprocess = ImagePreprocessor(classifier.metadata.preprocessing)
    shrunk = np.stack([preprocess(pixels) for pixels in originals])
    _tell(f"{len(originals)} images")
    _tell(f"decoded pixels, SHA-256      {hashlib.sha256(b''.join(one.tobytes() for one in originals)).hexdigest()}")
    _tell(f"shrunk pixels, SHA-256       {hashlib.sha256(shrunk.tobytes()).hexdigest()}")

    plain = session_of(path)
    reference = answers_of(plain, shrunk)
    by_graph = np.concatenate([answers_of(plain, one[None]) for one in originals])
    _tell(f"shrunk by the graph and by Pillow: {(by_graph != reference).any(axis=1).sum()} answers differ in any bit")
    for name, answers in {
        "the same again": answers_of(plain, shrunk),
        "2 threads": answers_of(session_of(path, threads=2), shrunk),
        "batches of 8": answers_of(plain, shrunk, 8),
        "batches of 32": answers_of(plain, shrunk, 32),
        "no graph optimisation": answers_of(session_of(path, optimised=False), shrunk),
    }.items():
        same = (answers == reference).all(axis=1).sum()
        _tell(f"{name:<28} max |Δp| {np.abs(answers - reference).max():.1e}, {same} of {len(answers)} bit-equal")
    recorded = [result.max_abs_diff for result in classifier.replay_golden()]
    _tell(f"{'PyTorch, as recorded':<28} max |Δp| {max(recorded, default=0):.1e} on {len(recorded)} golden cases")


if __name__ == "__main__":
    main()
