"""Where the time of one conversion goes, part by part: seconds, and processor seconds, which other work disturbs less.

    uv run python benchmarks/convert/gate_time.py PHOTOS NETWORK [option of imgcls-convert …]

NETWORK is `vit`, torchvision's ViT-B/16 with random weights out of a FILE.py, or what imgcls-convert takes as MODEL.
PHOTOS are what `--verify-images` names. A part's time is without those of the parts inside it. Prints one JSON
document.
"""

from __future__ import annotations

import contextlib
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from runpy import run_path
from typing import Any

from imgcls_convert.cli import main as imgcls_convert

_PHOTOS = Path(__file__).parents[1] / "decode/photos.py"
_VIT = """
import torch
from torchvision.models import vit_b_16

def build():
    torch.manual_seed(0)
    network = vit_b_16()
    torch.nn.init.normal_(network.heads.head.weight, std=0.3)  # torchvision begins with 0
    return network
"""
_COMPARISON = "imgcls_convert.parity.comparison"
# part → what makes it up, as module:function or module:class.function
_PARTS = {
    "loading the network": ("imgcls_convert.conversion:load_classifier",),
    "PyTorch's answers": ("imgcls_networks.pytorch_classifier:PyTorchClassifier.answers",),
    "answers under faults": ("imgcls_convert.conversion:record_golden",),
    "export": ("imgcls_convert.conversion:export_network", "imgcls_convert.conversion:embed_network"),
    "writing and sealing": ("imgcls_convert.conversion:write_artifact",),
    "gate: sessions": (
        f"{_COMPARISON}:OnnxClassifier",
        f"{_COMPARISON}:network_input_of",
    ),
    "gate: the artifact's answers": ("imgcls_convert.parity.gate:compare_with_pytorch",),
    "gate: PyTorch in float64": ("imgcls_networks.pytorch_classifier:PyTorchClassifier.exact",),
    "gate: PyTorch in other orders": ("imgcls_networks.pytorch_classifier:PyTorchClassifier.rounded",),
}


class Clock:
    """Adds up the time of each part, that of parts within it taken off."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self._inside = [[0.0, 0.0]]

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Gives a function that counts for a part."""

        @functools.wraps(function)
        def measured(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            self._inside.append([0.0, 0.0])
            began = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                took = time.perf_counter() - began[0], time.process_time() - began[1]
                within = self._inside.pop()
                spent = self.spent.setdefault(part, [0.0, 0.0])
                for i in (0, 1):
                    spent[i] += took[i] - within[i]
                    self._inside[-1][i] += took[i]

        return measured


def main() -> None:
    """Converts and prints."""
    photos, network, *options = sys.argv[1:]
    clock = Clock()
    for part, names in _PARTS.items():
        for name in names:
            module, _, path = name.partition(":")
            *owners, last = path.split(".")
            owner = functools.reduce(getattr, owners, import_module(module))
            setattr(owner, last, clock.timed(part, getattr(owner, last)))
    with tempfile.TemporaryDirectory() as folder:
        if network == "vit":
            Path(folder, "vit.py").write_text(_VIT, encoding="utf-8")
            network, options = f"{folder}/vit.py:build", [*options, "--image-size", "224", "--weak-proof"]
        asked = [network, *options, "--verify-images", photos, "--output", f"{folder}/network.onnx"]
        began = time.perf_counter(), time.process_time()
        with contextlib.suppress(SystemExit), contextlib.redirect_stdout(sys.stderr):
            imgcls_convert(asked)
        whole = time.perf_counter() - began[0], time.process_time() - began[1]
        report = json.loads(Path(folder, "network.report.json").read_text(encoding="utf-8"))
    rest = [whole[i] - sum(spent[i] for spent in clock.spent.values()) for i in (0, 1)]
    parts = {
        part: {
            "s": round(spent[0], 1),
            "processor_s": round(spent[1], 1),
            "share": round(spent[1] / whole[1], 3),
        }
        for part, spent in {**clock.spent, "all else": rest}.items()
    }
    document: dict[str, Any] = {
        "processor": run_path(str(_PHOTOS))["processor"](),
        "network": Path(network).name,
        "images": len(report["images"]),
        "s": round(whole[0], 1),
        "processor_s": round(whole[1], 1),
        "parts": parts,
        "parity": report["parity"],
    }
    sys.stdout.write(f"{json.dumps(document, indent=1)}\n")


if __name__ == "__main__":
    main()
