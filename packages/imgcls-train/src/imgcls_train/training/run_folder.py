"""A run's folder: its recipe, its checkpoint, its figures, and in the end the trained model."""

from __future__ import annotations

import csv
import io
import pickle
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import torch
from imgcls_cli.files import replacing
from imgcls_networks.errors import RequestError
from imgcls_networks.models.trained_model import CARD_NAME, WEIGHTS_NAME, TrainedModel
from safetensors.torch import save
from torch import nn

from imgcls_train.errors import RunError
from imgcls_train.training.recipe import Recipe

RECIPE_NAME: Final = "recipe.json"
METRICS_NAME: Final = "metrics.csv"
CHECKPOINT_NAME: Final = "checkpoint.pt"


@dataclass(frozen=True)
class EpochFigures:
    """What an epoch came to; `seconds` and `images_per_s` are this machine's, all else is repeatable."""

    epoch: int
    step: int
    learning_rate: float
    train_size: int
    train_loss: float
    val_loss: float
    val_top1_pct: float
    val_top5_pct: float
    seconds: float
    images_per_s: float


class _Begun(msgspec.Struct, frozen=True):
    """What a folder was begun with."""

    recipe: Recipe
    dataset: str


class RunFolder:
    """The folder of one fit, begun with a recipe, or gone on with where it was begun with the same one.

    Args:
        path: is made when it is not there.
        recipe: what is done; a factory's file is copied into the folder, and `self.recipe` names it there.
        dataset: name of the data.

    Raises:
        RunError: the folder holds another recipe or other data, or cannot be written.
        RequestError: a factory's file is not there.
    """

    def __init__(self, path: Path, recipe: Recipe, dataset: str) -> None:
        self.path = path
        factory, self.recipe = self._own_factory(recipe)
        now = _Begun(self.recipe, dataset)
        # A run that ended before its first step, by a mistyped file of weights perhaps, has nothing to keep.
        if (path / RECIPE_NAME).is_file() and any((path / name).exists() for name in (CHECKPOINT_NAME, CARD_NAME)):
            self._compare(now)
            return
        try:
            path.mkdir(parents=True, exist_ok=True)
            if factory:
                shutil.copyfile(factory, path / factory.name)
            _write(path / RECIPE_NAME, msgspec.json.format(msgspec.json.encode(now), indent=2) + b"\n")
        except OSError as error:
            raise RunError(f"The run's folder {str(path)!r} cannot be written: {error.strerror or error}.") from error

    @property
    def trained_model(self) -> TrainedModel | None:
        """The card of the trained model; None while the fit has not ended."""
        return TrainedModel.read(self.path) if (self.path / CARD_NAME).is_file() else None

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Loads the state of the training; None when there is none yet.

        Raises:
            RunError: it is damaged.
        """
        path = self.path / CHECKPOINT_NAME
        if not path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
            raise RunError(
                f"The checkpoint {str(path)!r} is damaged ({type(error).__name__}); remove the folder to start anew."
            ) from error
        return state

    def save_checkpoint(self, state: dict[str, Any], history: Sequence[EpochFigures]) -> None:
        """Saves the state of the training and, as CSV, the figures of its epochs.

        Raises:
            FileWriteError: the disk is full, for one; the state before is there, and whole.
        """
        text = io.StringIO()
        rows = csv.DictWriter(text, [field.name for field in fields(EpochFigures)], lineterminator="\n")
        rows.writeheader()
        rows.writerows({name: f"{value:.6g}" for name, value in asdict(row).items()} for row in history)
        _write(self.path / METRICS_NAME, text.getvalue().encode())
        # The checkpoint comes last: figures that a kill left without one are measured again, and are the same.
        with _replace(self.path / CHECKPOINT_NAME) as file:
            try:
                torch.save({**state, "history": [asdict(figures) for figures in history]}, file)
            except RuntimeError as error:
                # PyTorch tells where its writer stood; that the disk is full is the error before it.
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from error
                raise

    def finish(self, card: TrainedModel, network: nn.Module) -> None:
        """Writes the trained model: the weights first, so that a card always has its weights."""
        tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
        _write(self.path / WEIGHTS_NAME, save(tensors))
        _write(self.path / CARD_NAME, card.to_json())

    def _own_factory(self, recipe: Recipe) -> tuple[Path | None, Recipe]:
        if ".py:" not in recipe.architecture:
            return None, recipe
        file, _, factory = recipe.architecture.rpartition(":")
        source = Path(file)
        if not source.is_file() and not (self.path / source.name).is_file():
            raise RequestError(f"There is no file {file!r}; FILE.py:FACTORY names a Python file and a function in it.")
        own = msgspec.structs.replace(recipe, architecture=f"{source.name}:{factory}")
        return source if source.is_file() else None, own

    def _compare(self, now: _Begun) -> None:
        path = self.path / RECIPE_NAME
        try:
            # Fields that came with a later version get their defaults.
            begun = msgspec.json.decode(path.read_bytes(), type=_Begun)
        except (OSError, msgspec.DecodeError) as error:
            raise RunError(f"{str(path)!r} cannot be read: {error}. Name another folder with `--run`.") from error
        before, after = ({"dataset": one.dataset, **msgspec.to_builtins(one.recipe)} for one in (begun, now))
        differing = [
            f"{key} was {before[key]!r}, now {value!r}" for key, value in after.items() if before[key] != value
        ]
        if differing:
            raise RunError(
                f"{str(self.path)!r} was begun differently: {'; '.join(differing[:4])}. "
                "Say the same again to go on with it, or name another folder with `--run`."
            )


def _replace(path: Path) -> AbstractContextManager[BinaryIO]:
    # One fit writes in a folder: what a kill leaves behind is overwritten, not added to.
    return replacing(path, durable=True, sole_writer=True)


def _write(path: Path, content: bytes) -> None:
    with _replace(path) as file:
        file.write(content)
