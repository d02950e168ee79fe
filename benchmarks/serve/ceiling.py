"""Measures how many requests/s one process can do when its network costs nothing, beside the leanest FastAPI endpoint.

    python benchmarks/serve/ceiling.py

Makes an artifact whose graph answers a constant, and an image that is as large as its input: what is left is what
Python costs a request. In turns, under one `wrk`: the service with each number of `--workers`; with `--before` the
same by another tree's interpreter; `bare_service.py`, which decodes and infers on its event loop. Prints one JSON
document: requests/s, and milliseconds of a processor for each request, of the event loops and of all other threads.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from imgcls_core.artifact.metadata import INPUT_NAME, OUTPUT_NAME, ArtifactMetadata, ClassInfo, Source
from imgcls_core.artifact.preprocessing import Preprocessing
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_report.origin import machine_words
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from service_process import post
from start import answered, free_port
from throughput import wrk

HERE = Path(__file__).parent
SIDE_PX = 8
# Enough to keep one process busy.
CONNECTIONS = 32


def artifact(classes: int) -> bytes:
    """Gives an artifact that answers every image alike: uint8 [N, H, W, 3] → float32 [N, classes]."""
    row = np.linspace(1, 2, classes, dtype=np.float32)[np.newaxis]
    constants = {
        "row": row / row.sum(),
        "first": np.array([0]),
        "second": np.array([1]),
        "classes": np.array([classes]),
    }
    nodes = [
        helper.make_node("Shape", [INPUT_NAME], ["shape"]),
        helper.make_node("Slice", ["shape", "first", "second"], ["images_count"]),
        helper.make_node("Concat", ["images_count", "classes"], ["answers_shape"], axis=0),
        helper.make_node("Expand", ["row", "answers_shape"], [OUTPUT_NAME]),
    ]
    graph = helper.make_graph(
        nodes,
        "free",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["N", classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    preprocessing = Preprocessing(
        (SIDE_PX, SIDE_PX), "squash", None, None, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "13.0"
    )
    source = Source("none", None, "fp32", "-", "-", onnx.__version__, "-", "-")
    named = tuple(ClassInfo(number, f"class {number}") for number in range(classes))
    metadata = ArtifactMetadata("free", named, preprocessing, source, None, ())
    return sealed_artifact(model.SerializeToString(), metadata)


def image(size_px: int) -> bytes:
    """Gives a JPEG of noise of so many pixels on a side."""
    pixels = np.random.default_rng(0).integers(0, 255, (size_px, size_px, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def processor_ms(pid: int) -> tuple[float, float]:
    """Gives what a process and its children have used so far: their first threads, and all others; in ms."""
    first = others = 0.0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        used = int((thread / "schedstat").read_text(encoding="ascii").split()[0]) / 1e6
        first, others = (first + used, others) if thread.name == str(pid) else (first, others + used)
        for child in (thread / "children").read_text(encoding="ascii").split():
            more = processor_ms(int(child))
            first, others = first + more[0], others + more[1]
    return first, others


class Turn:
    """A service for one turn of every round, which starts and ends with it."""

    def __init__(self, command: list[str], environment: dict[str, str], listing: Path, request: bytes) -> None:
        self.command, self.environment, self.listing, self.request = command, environment, listing, request

    def measure(self, seconds: float) -> dict[str, Any]:
        """Runs it under load, after a second of warming up."""
        port = free_port()
        environment = os.environ | self.environment | {"IMGCLS_PORT": str(port)}
        nothing = subprocess.DEVNULL
        with subprocess.Popen(self.command, env=environment, stdout=nothing, stderr=nothing) as process:  # noqa: S603
            self._wait_until(lambda: answered(port, self.request), process)
            url = f"http://127.0.0.1:{port}"
            wrk(url, CONNECTIONS, 1, str(self.listing))
            before = processor_ms(process.pid)
            found = wrk(url, CONNECTIONS, seconds, str(self.listing))
            loops, others = (now - then for now, then in zip(processor_ms(process.pid), before, strict=True))
            process.send_signal(signal.SIGTERM)
        if found["errors"]:
            raise SystemExit(f"{self.command}: {found}")
        requests = found["requests"]
        return {
            "requests_per_s": found["requests_per_s"],
            "p50_ms": found["p50_ms"],
            "p99_ms": found["p99_ms"],
            "loop_ms": round(loops / requests, 4),
            "other_threads_ms": round(others / requests, 4),
            "processor_ms": round((loops + others) / requests, 4),
        }

    @staticmethod
    def _wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
        until_s = time.monotonic() + 60
        while not condition():
            if process.poll() is not None or time.monotonic() > until_s:
                raise SystemExit(f"{process.args} does not answer (exit code {process.returncode})")
            time.sleep(0.02)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--workers", type=int, nargs="*", default=[1])
    parser.add_argument("--before", type=Path, help="interpreter of another tree, measured in turns with this one")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--size", type=int, default=SIDE_PX, help=f"side of the JPEG in px; {SIDE_PX} is not resized")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model, photo, listing = (Path(folder) / name for name in ("free.onnx", "image.jpg", "images.txt"))
        model.write_bytes(artifact(arguments.classes))
        photo.write_bytes(image(arguments.size))
        listing.write_text(f"{photo}\n", encoding="utf-8")
        request = post(photo.read_bytes())

        def turn(*command: str, **settings: object) -> Turn:
            environment = {f"IMGCLS_{name.upper()}": str(value) for name, value in settings.items()}
            return Turn([*command], environment, listing, request)

        service = ("-m", "imgcls_serve", "--model", str(model))
        turns: dict[str, Turn] = {}
        for workers in arguments.workers:
            turns[f"workers_{workers}"] = turn(
                sys.executable, *service, **({"workers": workers} if workers > 1 else {})
            )
        if arguments.before is not None:
            turns["before"] = turn(str(arguments.before), *service)
        turns["fastapi"] = turn(sys.executable, str(HERE / "bare_service.py"), str(model))
        rounds = [
            {name: one.measure(arguments.seconds) for name, one in turns.items()} for _ in range(arguments.rounds)
        ]
    median = {
        name: {what: round(statistics.median(one[name][what] for one in rounds), 4) for what in rounds[0][name]}
        for name in turns
    }
    first = next(iter(turns))
    ratios = {
        f"{first}_to_{name}": {
            what: round(statistics.median(one[first][what] / one[name][what] for one in rounds), 3)
            for what in ("requests_per_s", "loop_ms", "processor_ms")
        }
        for name in list(turns)[1:]
    }
    document = {
        "machine": machine_words(),
        "connections": CONNECTIONS,
        "classes": arguments.classes,
        "image_bytes": len(request),
        "median": median,
        "ratios": ratios,
        "rounds": rounds,
    }
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
