"""Checkpoints as training tools write them, made by the tools themselves."""

from __future__ import annotations

import argparse
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imgcls_networks.errors import CheckpointError
from imgcls_networks.weights.checkpoint import load_checkpoint
from imgcls_networks.weights.source import parse_weights
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

pytestmark = pytest.mark.filterwarnings("ignore")  # the tools' own


def network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5))


def data() -> DataLoader[tuple[Tensor, ...]]:
    generator = torch.Generator().manual_seed(1)
    images, classes = torch.randn(8, 3, 8, 8, generator=generator), torch.arange(8) % 5
    return DataLoader(TensorDataset(images, classes), batch_size=4)


def loads(path: Path, wanted: nn.Module, key: str | None = None) -> str:
    """Loads a checkpoint, holds its weights to be those of a network, and gives what was said of the file."""
    loaded, weights = load_checkpoint(network, path, state_key=key)
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    return weights.note or ""


def question(path: Path) -> str:
    with pytest.raises(CheckpointError) as asked:
        load_checkpoint(network, path)
    return str(asked.value)


@pytest.fixture
def lightning(tmp_path: Path) -> Callable[..., tuple[Any, Path]]:
    """Trains for two steps with callbacks of Lightning, and gives the module and its checkpoint."""
    pl = pytest.importorskip("pytorch_lightning")

    class Classifier(pl.LightningModule):
        def __init__(self, lr: float = 0.01, place: Path = tmp_path) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = network()
            self.criterion = nn.CrossEntropyLoss(weight=torch.ones(5))

        def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
            loss = self.criterion(self.net(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.AdamW(self.parameters(), self.hparams["lr"])

    def train(*callbacks: Any) -> tuple[Any, Path]:
        module = Classifier()
        trainer = pl.Trainer(
            max_epochs=3, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
            default_root_dir=tmp_path, callbacks=list(callbacks),
        )  # fmt: skip
        trainer.fit(module, data())
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return module, tmp_path / "last.ckpt"

    return train


def test_lightning(lightning: Callable[..., tuple[Any, Path]]) -> None:
    from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint

    module, path = lightning(EarlyStopping("loss"), ModelCheckpoint(monitor="loss"))
    said = loads(path, module.net)
    assert "took state_dict.net (9 tensors); passed over criterion (1 tensor), epoch, global_step" in said


def test_lightning_with_an_exponential_average(lightning: Callable[..., tuple[Any, Path]], tmp_path: Path) -> None:
    """At the end of a training the average becomes the weights; in its midst there are two sets."""
    from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint

    during = ModelCheckpoint(dirpath=tmp_path, filename="{epoch}", save_top_k=-1)
    module, path = lightning(EMAWeightAveraging(decay=0.5), during)
    assert "the same weights are in current_model_state.net" in loads(path, module.net)
    path = tmp_path / "epoch=0.ckpt"
    assert "state_dict (10 tensors), current_model_state (10 tensors)" in question(path)
    saved = torch.load(path, weights_only=False)
    for key in ("state_dict", "current_model_state"):
        wanted = network()
        wanted.load_state_dict({name[4:]: one for name, one in saved[key].items() if name.startswith("net.")})
        loads(path, wanted, key)
    assert not torch.equal(saved["state_dict"]["net.3.bias"], saved["current_model_state"]["net.3.bias"])


def test_lightning_with_stochastic_weight_averaging(lightning: Callable[..., tuple[Any, Path]]) -> None:
    from pytorch_lightning.callbacks import StochasticWeightAveraging

    _, path = lightning(StochasticWeightAveraging(0.01, swa_epoch_start=1))
    assert "callbacks.StochasticWeightAveraging.average_model_state (10 tensors)" in question(path)


def test_timm(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    from timm.utils import CheckpointSaver, ModelEmaV3, NativeScaler

    model = network()
    model.default_cfg = {"architecture": "mine"}
    average = ModelEmaV3(network(), decay=0.9)
    args = argparse.Namespace(model="mine", lr=0.1, output=tmp_path)
    saver = CheckpointSaver(
        model, torch.optim.SGD(model.parameters(), 0.1, momentum=0.9), args=args, model_ema=average,
        amp_scaler=NativeScaler(), checkpoint_dir=str(tmp_path), recovery_dir=str(tmp_path),
    )  # fmt: skip
    saver.save_checkpoint(epoch=2, metric=np.float64(71.5))
    path = tmp_path / "model_best.pth.tar"
    assert "state_dict (9 tensors), state_dict_ema (9 tensors)" in question(path)
    assert "passed over" in loads(path, model, "state_dict")
    assert "args (argparse.Namespace)" in loads(path, average.module, "state_dict_ema")


def test_torchvisions_references(tmp_path: Path) -> None:
    """As `references/classification/train.py` of torchvision saves: model, optimizer, schedule, args, average."""
    model = network()
    average = AveragedModel(network(), multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    content = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "lr_scheduler": torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3).state_dict(),
        "epoch": 3,
        "args": argparse.Namespace(model="resnet18", data_path=tmp_path, rank=np.int64(0)),
        "scaler": torch.amp.GradScaler("cpu").state_dict(),
    }
    torch.save(content, tmp_path / "model_3.pth")
    said = loads(tmp_path / "model_3.pth", model)
    assert (
        "took model (9 tensors); passed over optimizer, lr_scheduler, epoch, args (argparse.Namespace), scaler" in said
    )
    torch.save(content | {"model_ema": average.state_dict()}, tmp_path / "checkpoint.pth")
    assert "model_ema (10 tensors), model (9 tensors)" in question(tmp_path / "checkpoint.pth")
    said = loads(tmp_path / "checkpoint.pth", average.module, "model_ema")
    assert "passed over n_averaged (1 tensor), model, optimizer" in said


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_distributed_and_compiled(tmp_path: Path, process_group: None) -> None:
    model = network()
    compiled = torch.compile(model)
    parallel = nn.parallel.DistributedDataParallel(compiled)
    for name, wrapped in (("compiled", compiled), ("parallel", parallel)):
        torch.save({"model_state_dict": wrapped.state_dict(), "epoch": 1}, tmp_path / f"{name}.pt")
    assert "took the prefix '_orig_mod.' off" in loads(tmp_path / "compiled.pt", model)
    assert "took the prefix 'module._orig_mod.' off" in loads(tmp_path / "parallel.pt", model)


@pytest.mark.parametrize(("safe", "shards"), [(True, "10GB"), (True, "1KB"), (False, "1KB")])
def test_accelerate(tmp_path: Path, safe: bool, shards: str) -> None:
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    model = network()
    prepared = accelerator.prepare(model)
    try:
        accelerator.save_model(prepared, tmp_path / "model", max_shard_size=shards, safe_serialization=safe)
    except (TypeError, ValueError) as error:  # releases that write safetensors alone
        pytest.skip(str(error))
    loads(parse_weights(str(tmp_path / "model")), model)
    accelerator.save_state(str(tmp_path / "state"))
    loads(parse_weights(str(tmp_path / "state")), model)


class Phase(enum.Enum):
    TRAINING = 1


@dataclass
class Progress:
    epoch: int
    best: np.float32
    phase: Phase


def test_what_people_write_themselves(tmp_path: Path) -> None:
    model = network()
    content = {
        "net": model.state_dict(),
        "acc": np.float64(93.1),
        "history": np.arange(12.0).reshape(3, 4),
        "progress": Progress(3, np.float32(0.5), Phase.TRAINING),
        "path": tmp_path,
        "criterion": nn.CrossEntropyLoss(),
        "transform": [nn.ReLU(), len, Progress],
        "rng": torch.get_rng_state(),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
    }
    for name, is_zip in (("new.pth", True), ("old.pth", False)):
        torch.save(content, tmp_path / name, _use_new_zipfile_serialization=is_zip)
        said = loads(tmp_path / name, model)
        assert "took net (9 tensors)" in said
