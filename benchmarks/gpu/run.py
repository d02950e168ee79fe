"""Measures artifacts on a provider, and writes OUT/gpu.json and OUT/gpu.html; `run.sh` beside it does all around it.

python benchmarks/gpu/run.py OUT IMAGES ARTIFACT... --provider cuda --price 1.02
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import exactness
import imgcls_report as report
import network
import service
from imgcls_core import OnnxClassifier
from imgcls_core.cpus import allotted_cpus
from imgcls_core.inference.providers import find_gpu
from page import page
from service import limit

_CALLERS = (1, 8, 32, 128)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
_LOADED = 64  # photos that callers send in turn
_LIMIT_BATCHES = {"cpu": (1,), "cuda": (8, 32)}


def main() -> None:
    """Measures and writes."""
    arguments = _arguments()
    if arguments.provider == "cuda" and not (gpu := find_gpu()).present:
        sys.stderr.write(f"No GPU was measured: {gpu.reason}.\n")
        raise SystemExit(1)
    os.environ["IMGCLS_PROVIDER"] = arguments.provider  # of every service that is started here
    arguments.out.mkdir(parents=True, exist_ok=True)
    photos = sorted(path for kind in ("*.JPEG", "*.jpg") for path in arguments.images.glob(kind))
    if not photos:
        raise SystemExit(f"{arguments.images} holds no JPEG (*.JPEG, *.jpg); give a folder of photos.")
    document: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "provider": arguments.provider,
        "gpu": _gpu_words() if arguments.provider == "cuda" else "none: tried on the CPU, it says nothing of a GPU",
        "machine": report.machine_words(),
        "command": " ".join(["benchmarks/gpu/run.py", *(Path(word).name for word in sys.argv[1:])]),
        "note": f"{os.getloadavg()[0]:.1f} at the start",
        "artifacts": [],
    }
    for artifact in arguments.artifacts:
        document["artifacts"].append(_measured(artifact, photos, arguments))
        document["title"] = ", ".join(f"{one['name']} {one['precision']}" for one in document["artifacts"])
        # What is there is kept: a later artifact that fails takes nothing away.
        (arguments.out / "gpu.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        (arguments.out / "gpu.html").write_text(page(document), encoding="utf-8")
    sys.stdout.write(f"{arguments.out / 'gpu.json'}\n{arguments.out / 'gpu.html'}\n")


def _measured(artifact: Path, photos: list[Path], arguments: argparse.Namespace) -> dict[str, Any]:
    metadata = OnnxClassifier(artifact, provider="cpu").metadata
    provider, seconds = arguments.provider, arguments.seconds
    sys.stderr.write(f"{artifact.name}: exactness\n")
    exact = exactness.measure(artifact, [photo.read_bytes() for photo in photos], provider)
    sys.stderr.write(f"{artifact.name}: the network alone\n")
    sizes = {"batches": arguments.batches, "seconds": seconds / 4, "threads": allotted_cpus()}
    rows = list(network.measure(artifact, metadata.preprocessing.size, provider=provider, **sizes))
    sys.stderr.write(f"{artifact.name}: limits\n")
    common = (artifact, arguments.images, seconds, "--provider", provider)
    limits = {"decode": limit(*common, "--decode-only")}
    tried = [limit(*common, "--batch", str(batch)) for batch in _LIMIT_BATCHES[provider]]
    limits["in_process"] = max(tried, key=lambda one: one["images_per_s"])
    sys.stderr.write(f"{artifact.name}: the service\n")
    served = service.measure(
        artifact, photos[:_LOADED], callers=arguments.callers, seconds=seconds, starts=arguments.starts
    )
    rate = max(load["requests_per_s"] for load in served["loads"])
    cost = None if arguments.price is None else round(arguments.price / 3600 / rate * 1e6, 3)
    return {
        "name": metadata.name,
        "precision": metadata.source.precision,
        "exactness": exact,
        "network": rows,
        "limits": limits,
        "service": served,
        "cost_per_million": cost,
    }


def _gpu_words() -> str:
    command = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]  # noqa: S603


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder of what is written")
    parser.add_argument("images", type=Path, help="folder of JPEGs")
    parser.add_argument("artifacts", type=Path, nargs="+", help="artifacts, as of one network in fp32 and fp16")
    parser.add_argument("--provider", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--price", type=float, help="of the machine, $ an hour")
    parser.add_argument("--seconds", type=int, default=8, help="for each measurement")
    parser.add_argument("--callers", type=int, nargs="+", default=_CALLERS)
    parser.add_argument("--batches", type=int, nargs="+", default=_BATCHES)
    parser.add_argument("--starts", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
