"""Makes what pages take for the reader's own: a network, checkpoints of it, photos, a dataset, files of other tools."""

from __future__ import annotations

import json
import os
import random
import shutil
import zipfile
from contextlib import chdir
from pathlib import Path
from typing import Any

_NETWORK = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width: float = 1.0, num_classes: int = 3) -> None:
        super().__init__()
        self.parts = nn.Sequential(nn.Conv2d(3, int(16 * width), 8, 8), nn.AdaptiveAvgPool2d(4), nn.Flatten())
        self.head = nn.Linear(16 * int(16 * width), num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.parts(images))
"""
# Names that the model in the package knows, so that it can be evaluated on them.
CLASSES = ("goldfish", "iPod", "pretzel")


def make_readers_own(folder: Path) -> None:
    """Fills a newcomer's folder, whose `images` are those of the model in the package."""
    import torch
    from imgcls_testing.exporting import read_operators_once

    read_operators_once()
    torch.set_num_threads(1)
    (folder / "my_net.py").write_text(_NETWORK, encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(_NETWORK, "my_net.py", "exec"), names)  # noqa: S102 - ours
    torch.manual_seed(3)
    network, small = names["Net"](), names["Net"](width=0.5)
    with torch.no_grad():
        for one in (network, small):  # random weights would answer all images alike
            one.head.weight *= 20
            one.head.bias -= one(_tensors(folder / "images")).mean(0)
    _write_photos(folder)
    _write_dataset(folder)
    _write_checkpoints(folder, network, small)
    _write_files_of_other_tools(folder, network)


def _tensors(images: Path) -> Any:
    import numpy as np
    import torch
    from PIL import Image

    opened = [Image.open(path).convert("RGB").resize((224, 224)) for path in sorted(images.iterdir())]
    return torch.stack([torch.from_numpy(np.asarray(one) / 127.5 - 1).permute(2, 0, 1).float() for one in opened])


def _write_photos(folder: Path) -> None:
    shutil.copytree(folder / "images", folder / "photos")
    rows = "".join(f"{path.name},{at % 3}\n" for at, path in enumerate(sorted((folder / "images").iterdir())))
    (folder / "photos/labels.csv").write_text(f"file,class_id\n{rows}", encoding="utf-8")
    shutil.copytree(folder / "images", folder / "ARCHIVE")
    shutil.copyfile(folder / "images/warm_gradient.jpg", folder / "photo.jpg")
    for name in ("resnet18", "new"):
        shutil.copyfile(folder / "models/everyday100.onnx", folder / f"models/{name}.onnx")
    (folder / "labels.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    (folder / "my.csv").write_text("class_id,label\n0,goldfish\n1,iPod\n2,pretzel\n", encoding="utf-8")


def _write_dataset(folder: Path) -> None:
    from PIL import Image

    for split, count in (("train", 8), ("val", 12), ("test", 4)):
        for name, colour in zip(CLASSES, ("orange", "navy", "sienna"), strict=True):
            (folder / "DATASET" / split / name).mkdir(parents=True)
            for side in range(count):
                bytes_of = random.Random(f"{split}{name}{side}").randbytes  # noqa: S311 - pictures, no secrets
                noise = Image.frombytes("RGB", (40, 40), bytes_of(4800))
                picture = Image.blend(noise, Image.new("RGB", (40, 40), colour), 0.6)
                picture.save(folder / "DATASET" / split / name / f"{side}.png")
    shutil.copytree(folder / "DATASET", folder / "flowers")


def _write_checkpoints(folder: Path, network: Any, small: Any) -> None:
    import torch
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from imgcls_train import evaluate, fit
    from safetensors.torch import save_file

    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "private.pem").write_bytes(key)
    for name in ("best.pth", "my.pth"):
        torch.save(network.state_dict(), folder / name)
    torch.save({"model": small.state_dict(), "model_ema": network.state_dict()}, folder / "averaged.pth")
    save_file(small.state_dict(), folder / "my.safetensors")
    with chdir(folder):
        for name in ("mine", "NAME", "DATASET-finetune"):
            if not Path("runs").exists():
                numbers = {"epochs": 3, "image_size": 32, "batch_size": 8, "learning_rate": 0.02}
                evaluate(fit("DATASET", f"runs/{name}", architecture="my_net.py:Net", **numbers), "DATASET")
            else:
                shutil.copytree("runs/mine", f"runs/{name}")
                card = Path(f"runs/{name}/model.json")
                written = json.loads(card.read_text(encoding="utf-8"))
                card.write_text(json.dumps(written | {"name": name}), encoding="utf-8")


def _write_files_of_other_tools(folder: Path, network: Any) -> None:
    import torch

    class ChannelsLast(torch.nn.Module):
        """What Keras makes of a network."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.inner(images.permute(0, 3, 1, 2))

    for name, exported, shape in (
        ("classifier", network.eval(), (1, 3, 32, 32)),
        ("from_keras", ChannelsLast().eval(), (1, 32, 32, 3)),
    ):
        torch.onnx.export(exported, (torch.zeros(shape),), folder / f"{name}.onnx", dynamo=True, external_data=False)
    for place in ("model_repository/resnet/1/model.onnx", "resnet/saved_model.onnx"):
        (folder / place).parent.mkdir(parents=True)
        os.link(folder / "classifier.onnx", folder / place)
    shutil.copyfile(folder / "labels.txt", folder / "model_repository/resnet/labels.txt")
    model = {"modelName": "net", "modelFile": "my_net.py", "serializedFile": "best.pth", "handler": "image_classifier"}
    with zipfile.ZipFile(folder / "net.mar", "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"runtime": "python", "model": model}))
        archive.writestr("index_to_name.json", json.dumps(dict(enumerate(CLASSES))))
        for name in ("my_net.py", "best.pth"):
            archive.write(folder / name, name)
