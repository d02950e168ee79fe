"""Does a graph that ONNX Runtime has optimised beforehand start faster? Prints medians in milliseconds.

    uv run python packages/imgcls-convert/scripts/measure_start.py ARTIFACT

The optimised file is tied to the kind of processor and the version of ONNX Runtime that wrote it.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from imgcls_core.inference.onnx_runtime import import_runtime

ROUNDS = 15


def main(artifact: Path) -> None:
    """Measures the session and the first answer, in turns."""
    runtime = import_runtime()

    def options(*, optimise: bool, target: Path | None = None) -> object:
        chosen = runtime.SessionOptions()
        chosen.log_severity_level = 3
        levels = runtime.GraphOptimizationLevel
        chosen.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
        if target:
            chosen.optimized_model_filepath = str(target)
        return chosen

    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        runtime.InferenceSession(
            str(artifact), options(optimise=True, target=optimised), providers=["CPUExecutionProvider"]
        )
        image = np.zeros((1, 224, 224, 3), np.uint8)
        ways = {"as shipped": (artifact, True), "optimised beforehand": (optimised, False)}
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, (path, optimise) in ways.items():
                start = time.process_time()
                session = runtime.InferenceSession(
                    str(path), options(optimise=optimise), providers=["CPUExecutionProvider"]
                )
                loaded = time.process_time()
                session.run(None, {"images": image})
                times[way].append(((loaded - start) * 1000, (time.process_time() - loaded) * 1000))
        for way, seen in times.items():
            session_ms, first_ms = (statistics.median(column) for column in zip(*seen, strict=True))
            size = ways[way][0].stat().st_size / 1e6
            print(f"{way:<22} session {session_ms:6.1f} ms CPU, first answer {first_ms:6.1f} ms CPU, {size:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
