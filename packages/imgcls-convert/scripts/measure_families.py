"""Converts one network of each torchvision family with random weights and prints what it took.

    uv run python packages/imgcls-convert/scripts/measure_families.py [NAME…]

Each conversion runs in a process of its own, so that its peak memory is its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torchvision

FAMILIES = [
    "resnet18", "vgg16", "mobilenet_v3_small", "efficientnet_b0", "convnext_tiny", "vit_b_16", "swin_t",
    "densenet121", "googlenet", "inception_v3", "regnet_y_400mf", "shufflenet_v2_x0_5", "squeezenet1_0", "mnasnet0_5",
    "maxvit_t",
]  # fmt: skip


def save_random_weights(name: str, path: Path) -> int:
    """Random weights whose answers differ from image to image; gives the number of parameters.

    Fresh networks answer every image alike: signals fade without batch statistics, and some heads start at zero. The
    statistics are taken from noise, and the head is scaled until its logits have a standard deviation of 3.
    """
    torch.manual_seed(20180)
    quiet = {"init_weights": True} if name in {"googlenet", "inception_v3"} else {}
    network = torchvision.models.get_model(name, weights=None, **quiet)
    side = 299 if name == "inception_v3" else 224
    noise = torch.nn.functional.interpolate(torch.randn(6, 3, 28, 28), size=(side, side), mode="bilinear")
    head = [part for part in network.modules() if isinstance(part, (torch.nn.Linear, torch.nn.Conv2d))][-1]
    with torch.no_grad():
        if not head.weight.any():
            head.weight.normal_(std=0.02)
        for part in network.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.momentum = None  # the plain mean of what passes
        network.train()(noise)
        head.weight.mul_(3 / network.eval()(noise).std())
    torch.save(network.state_dict(), path)
    return sum(parameter.numel() for parameter in network.parameters())


def measure(name: str) -> None:
    """Prints one row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        weights, output = Path(folder) / "w.pth", Path(folder) / f"{name}.onnx"
        parameters = save_random_weights(name, weights)
        command = [sys.executable, "-m", "imgcls_convert", name, "--weights", str(weights), "--output", str(output)]
        start = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        seconds = time.perf_counter() - start
        if done.returncode:
            print(f"| {name} | {parameters / 1e6:.1f} | failed: {done.stderr.strip().splitlines()[-1]} |")
            return
        report = json.loads(output.with_suffix(".report.json").read_text(encoding="utf-8"))
        # The largest child so far; families that need less than an earlier one are measured one by one.
        peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        parity = report["parity"]
        print(
            f"| {name} | {parameters / 1e6:.1f} | {report['artifact']['bytes'] / 1e6:.1f} | {seconds:.1f} "
            f"| {peak_gb:.2f} | {parity['max_abs_diff']:.1e} | {parity['top1_agreement']:.0%} |"
        )


if __name__ == "__main__":
    names = sys.argv[1:] or FAMILIES
    if len(names) == 1:
        measure(names[0])
    else:
        print("| network | M parameters | MB | s | peak GB | max abs dp | top-1 |\n|---|---|---|---|---|---|---|")
        for each in names:
            subprocess.run([sys.executable, __file__, each], check=False)  # noqa: S603
