"""Core's decode and resize of a large photo beside bare Pillow's: processor time, and memory at its peak.

Prints one JSON document. Each measurement is a process of its own, in turns; its time is the least of some decodes,
its memory what the kernel saw at most beyond what the process had after its imports. Both make the same pixels.

    uv run python benchmarks/decode/exact.py FOLDER_OF_PHOTOS
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from imgcls_core import ImagePreprocessor, Preprocessing
from numpy.typing import NDArray
from photos import large_photo, processor
from PIL import Image, ImageOps, __version__

_ROUNDS = 5
_DECODES = 5
_SIZE = (224, 224)
_SPEC = Preprocessing(_SIZE, "squash", None, None, "bilinear", (0.5,) * 3, (0.5,) * 3, __version__)


def _bare(encoded: bytes) -> NDArray[np.uint8]:
    image = Image.open(io.BytesIO(encoded))
    ImageOps.exif_transpose(image, in_place=True)  # copies nothing that stands upright
    return np.asarray(image.resize(_SIZE, Image.Resampling.BILINEAR))


_PREPARE = {"pillow": _bare, "core": ImagePreprocessor(_SPEC)}


def _measure_here(name: str, file: Path) -> dict[str, float]:
    encoded, prepare = file.read_bytes(), _PREPARE[name]
    # The kernel begins to look for the peak anew.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before_kb = _memory_kb("VmRSS")
    took_ms: list[float] = []
    for _ in range(_DECODES):
        start_s = time.process_time()
        pixels = prepare(encoded)
        took_ms.append((time.process_time() - start_s) * 1000)
    peak_mb = (_memory_kb("VmHWM") - before_kb) / 1024
    return {"ms": round(min(took_ms), 2), "peak_mb": round(peak_mb, 1), "sum": int(pixels.sum())}


def _memory_kb(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1])


def _measured(name: str, file: Path) -> dict[str, float]:
    command = [sys.executable, __file__, str(file), "--child", name]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)  # noqa: S603 - our own


def _compared(file: Path) -> dict[str, Any]:
    rounds = [{name: _measured(name, file) for name in _PREPARE} for _ in range(_ROUNDS)]
    if any(each["pillow"]["sum"] != each["core"]["sum"] for each in rounds):
        raise SystemExit("the pixels differ")
    found: dict[str, Any] = {
        name: {key: min(r[name][key] for r in rounds) for key in ("ms", "peak_mb")} for name in _PREPARE
    }
    for key in ("ms", "peak_mb"):
        found[f"{key}_ratio"] = round(found["core"][key] / found["pillow"][key], 3)
        found[f"{key}_ratio_median"] = round(statistics.median(r["core"][key] / r["pillow"][key] for r in rounds), 3)
    return {**found, "rounds": rounds}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="folder of JPEGs")
    parser.add_argument("--child", choices=_PREPARE, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        sys.stdout.write(json.dumps(_measure_here(arguments.child, arguments.photos)))
        return
    source = sorted(arguments.photos.glob("*.JPEG"))[0]
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds: dict[str, bytes] = {
        "110 KB": source.read_bytes(),
        "12 megapixels": large_photo(source),
        "12 megapixels, progressive": large_photo(source, progressive=True),
        "12 megapixels, turned by EXIF": large_photo(source, exif=turned),
    }
    result: dict[str, Any] = {"processor": processor(), "pillow": __version__, "photos": {}}
    with tempfile.TemporaryDirectory() as folder:
        for name, encoded in kinds.items():
            (file := Path(folder) / "photo.jpg").write_bytes(encoded)
            result["photos"][name] = {"bytes": len(encoded), **_compared(file)}
    sys.stdout.write(f"{json.dumps(result, indent=1)}\n")


if __name__ == "__main__":
    main()
