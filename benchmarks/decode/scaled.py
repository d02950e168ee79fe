"""JPEGs decoded at a reduced scale beside whole ones: processor time, pixels, and the answers of a network in PyTorch.

Prints one JSON document. Photos are enlarged to three sizes (`photos.py`), and labelled by their folder's labels.csv.

    uv run python benchmarks/decode/scaled.py NETWORK.py WEIGHTS.pth FOLDER_OF_PHOTOS --photos 60
"""

from __future__ import annotations

import argparse
import csv
import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from imgcls_core import ImagePreprocessor, Preprocessing
from msgspec.structs import replace
from photos import large_photo, processor
from PIL import __version__

_EXACT = Preprocessing((224, 224), "squash", None, None, "bilinear", (0.5,) * 3, (0.5,) * 3, __version__)
_LONG_SIDES_PX = (1000, 2000, 4000)


def _compared(network: torch.nn.Module, files: list[Path], labels: dict[str, int], long_side_px: int) -> dict[str, Any]:
    ways = {"exact": ImagePreprocessor(_EXACT), "scaled": ImagePreprocessor(replace(_EXACT, decode="scaled"))}
    took = dict.fromkeys(ways, 0.0)
    answers: dict[str, list[np.ndarray]] = {name: [] for name in ways}
    levels: list[float] = []
    for seed, file in enumerate(files):
        encoded = large_photo(file, seed, long_side_px=long_side_px)
        seen: list[np.ndarray] = []
        for name, prepare in ways.items():
            start_s = time.process_time()
            pixels = prepare(encoded)
            took[name] += time.process_time() - start_s
            seen.append(pixels)
            values = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32))[None] / 127.5 - 1
            with torch.inference_mode():
                answers[name].append(torch.softmax(network(values), 1)[0].numpy())
        levels.append(float(np.abs(seen[0].astype(int) - seen[1]).mean()))
    exact, scaled = (np.array(answers[name]) for name in ways)
    known = np.array([labels[file.name] for file in files])
    return {
        "photos": len(files),
        "exact_ms": round(took["exact"] / len(files) * 1000, 2),
        "scaled_ms": round(took["scaled"] / len(files) * 1000, 2),
        "cost": round(took["scaled"] / took["exact"], 3),
        "agreement": float((exact.argmax(1) == scaled.argmax(1)).mean()),
        "exact_top1": float((exact.argmax(1) == known).mean()),
        "scaled_top1": float((scaled.argmax(1) == known).mean()),
        "max_abs_diff": float(np.abs(exact - scaled).max()),
        "mean_abs_diff": float(np.abs(exact - scaled).max(1).mean()),
        "levels_off": round(float(np.mean(levels)), 3),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", type=Path, help="a Python file with build()")
    parser.add_argument("weights", type=Path)
    parser.add_argument("folder", type=Path, help="JPEGs and labels.csv")
    parser.add_argument("--photos", type=int, default=60)
    arguments = parser.parse_args()
    network = runpy.run_path(str(arguments.network))["build"]().eval()
    network.load_state_dict(torch.load(arguments.weights, weights_only=True))
    with (arguments.folder / "labels.csv").open(encoding="utf-8", newline="") as table:
        labels = {row["file"]: int(row["class_id"]) for row in csv.DictReader(table)}
    files = sorted(arguments.folder.glob("*.JPEG"))[: arguments.photos]
    found = {f"{side} px": _compared(network, files, labels, side) for side in _LONG_SIDES_PX}
    sys.stdout.write(f"{json.dumps({'processor': processor(), 'pillow': __version__, **found}, indent=1)}\n")


if __name__ == "__main__":
    main()
