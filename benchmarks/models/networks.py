"""Converts networks of timm, torchvision, pytorchcv and in the styles of CIFAR repositories, from their checkpoints.

    uv run --with pytorchcv python benchmarks/models/networks.py RESULTS.json [NAME…]

Each has random weights whose answers differ from image to image. The artifact is compared, on images of several
shapes, with the network in PyTorch behind its library's own preprocessing; a pair shares no code with the conversion.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cifar_networks
import numpy as np
import timm
import torch
import torchvision
from families import keep, pictures
from imgcls_cli.progress import SilentProgress
from imgcls_convert.conversion import convert
from imgcls_convert.request import ConvertRequest
from imgcls_core import OnnxClassifier
from imgcls_core.errors import ImgclsError
from imgcls_networks.models.catalog import read_catalog
from speaking_weights import speak
from torch import nn
from torchvision import transforms

HALF = (0.5, 0.5, 0.5)
TIMM = (
    "resnet18.a1_in1k", "resnetv2_50x1_bit.goog_in21k_ft_in1k", "mobilenetv3_small_050.lamb_in1k",
    "efficientnet_lite0.ra_in1k", "tf_efficientnet_lite0.in1k", "repvgg_a0.rvgg_in1k", "ghostnet_100.in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k", "mixer_s32_224", "convnext_atto.d2_in1k", "regnetx_002.pycls_in1k",
    "hardcorenas_a.miil_green_in1k", "test_vit.r160_in1k", "test_nfnet.r160_in1k",
)  # fmt: skip
TORCHVISION = ("shufflenet_v2_x0_5", "squeezenet1_1", "mnasnet0_5", "mobilenet_v2", "googlenet", "alexnet")
PYTORCHCV = ("resnet10", "mobilenet_wd4", "squeezenet_v1_1", "shufflenetv2_wd2", "fdmobilenet_wd4", "menet108_8x1_g3")
CIFAR = ("resnet18_cifar", "resnet20", "wide_resnet", "vgg11_bn", "densenet", "lenet")
NAMES = [
    f"{library}: {name}"
    for library, names in {"CIFAR": CIFAR, "torchvision": TORCHVISION, "timm": TIMM, "pytorchcv": PYTORCHCV}.items()
    for name in names
]

# The network, what conversion is asked, and how the library prepares an image.
_Case = tuple[nn.Module, dict[str, Any], Callable[[Any], torch.Tensor]]


def _plain(side: int) -> Callable[[Any], torch.Tensor]:
    steps = [transforms.Resize([side, side]), transforms.ToTensor(), transforms.Normalize(HALF, HALF)]
    return transforms.Compose(steps)


def case(library: str, name: str, folder: Path) -> _Case:
    """Makes the network and writes its checkpoint as that library's users have it."""
    plain = {"mean": HALF, "std": HALF}
    if library == "CIFAR":
        network = speak(getattr(cifar_networks, name)(), (32, 32))
        state = {f"module.{key}": value for key, value in network.state_dict().items()}
        torch.save({"net": state, "acc": 93.1, "epoch": 199}, folder / "ckpt.pth")
        model = f"{Path(cifar_networks.__file__).resolve()}:{name}"
        return (
            network,
            {"model": model, "weights": str(folder / "ckpt.pth"), "image_size": (32, 32), **plain},
            _plain(32),
        )
    if library == "torchvision":
        options = {"init_weights": True} if name == "googlenet" else {}
        network = torchvision.models.get_model(name, weights=None, **options)
        speak(network, (224, 224), lambda out: getattr(out, "logits", out))
        torch.save({"model": network.state_dict(), "epoch": 89, "args": {"lr": 0.1}}, folder / "checkpoint.pth")
        weights = torchvision.models.get_model_weights(name)[read_catalog()[name].weights]
        return network, {"model": name, "weights": str(folder / "checkpoint.pth")}, weights.transforms()
    if library == "timm":
        network = timm.create_model(name, pretrained=False)
        speak(network, network.pretrained_cfg.get("test_input_size", network.pretrained_cfg["input_size"])[1:])
        torch.save({"state_dict": network.state_dict(), "arch": name, "epoch": 299}, folder / "model_best.pth.tar")
        config = timm.data.resolve_data_config(pretrained_cfg=network.pretrained_cfg)
        request = {"model": f"timm/{name}", "weights": str(folder / "model_best.pth.tar")}
        return network, request, timm.data.create_transform(**config, is_training=False)
    from pytorchcv.model_provider import get_model  # noqa: PLC0415 - asked for with `--with`

    network = speak(get_model(name), (224, 224))
    torch.save(network.state_dict(), folder / f"{name}.pth")
    (folder / "factory.py").write_text(
        f"from pytorchcv.model_provider import get_model\n\ndef build():\n    return get_model({name!r})\n"
    )
    request = {"model": f"{folder}/factory.py:build", "weights": str(folder / f"{name}.pth"), **plain}
    return network, {**request, "image_size": (224, 224)}, _plain(224)


def measure(name: str) -> dict[str, Any]:
    """Converts one network and gives its row."""
    library, _, short = name.partition(": ")
    with tempfile.TemporaryDirectory() as scratch:
        network, request, prepare = case(library, short, Path(scratch))
        output = Path(scratch) / "model.onnx"
        start = time.perf_counter()
        try:
            report = convert(ConvertRequest(**request, output=output), SilentProgress())
        except ImgclsError as error:
            return {"family": name, "refused": str(error).replace(scratch, "…"), "code": getattr(error, "exit_code", 5)}
        seconds = time.perf_counter() - start
        images = pictures()
        with torch.inference_mode():
            rows = [network.eval()(prepare(image)[None]) for image in images]
        expected = torch.cat([getattr(row, "logits", row).softmax(1) for row in rows]).numpy()
        classifier = OnnxClassifier(output, provider="cpu", threads=1)
        found = np.concatenate([classifier.predict(np.asarray(image)) for image in images])
        parity = report.metadata.parity
        return {
            "family": name,
            "seconds": round(seconds, 1),
            "parity_max_abs_diff": parity.max_abs_diff if parity else None,
            "pipeline_max_abs_diff": float(np.abs(found - expected).max()),
            "pipeline_top1": f"{int((found.argmax(1) == expected.argmax(1)).sum())} of {len(images)}",
            "distinct_answers": len(set(expected.argmax(1).tolist())),
            "torchvision_processor": None,
        }


if __name__ == "__main__":
    keep(Path(sys.argv[1]), NAMES, sys.argv[2:], measure)
