"""A run's folder: its recipe, its state, its figures, and in the end the trained model."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import msgspec
from imgcls_networks.errors import RequestError
from imgcls_networks.models.trained_model import CARD_NAME, WEIGHTS_NAME, TrainedModel
from safetensors.torch import save
from torch import nn

from imgcls_train.errors import RunError
from imgcls_train.training.checkpoint import write_atomically
from imgcls_train.training.loop import EpochFigures
from imgcls_train.training.recipe import Recipe

RECIPE_NAME: Final = "recipe.json"
METRICS_NAME: Final = "metrics.csv"


class _Begun(msgspec.Struct, frozen=True):
    """What a folder was begun with."""

    recipe: Recipe
    dataset: str


class RunFolder:
    """The folder of one fit.

    Args:
        path: is made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_finished(self) -> bool:
        """Whether the trained model is there."""
        return (self.path / CARD_NAME).is_file()

    def begin(self, recipe: Recipe, dataset: str) -> Recipe:
        """Writes the recipe, or checks that it is the one that the folder was begun with.

        Returns:
            The recipe, with a factory's file copied into the folder and named there.

        Raises:
            RunError: the folder holds another recipe or other data, or cannot be written.
            RequestError: a factory's file is not there.
        """
        recipe = self._with_own_factory(recipe)
        wanted = _Begun(recipe, dataset)
        path = self.path / RECIPE_NAME
        if path.is_file():
            self._compare(path, wanted)
            return recipe
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if factory := self._factory_source:
                shutil.copyfile(factory, self.path / factory.name)
            write_atomically(path, msgspec.json.format(msgspec.json.encode(wanted), indent=2) + b"\n")
        except OSError as error:
            raise RunError(
                f"The run's folder {str(self.path)!r} cannot be written: {error.strerror or error}."
            ) from error
        return recipe

    def write_metrics(self, history: Sequence[EpochFigures]) -> None:
        """Writes the figures of the epochs as CSV."""
        text = io.StringIO()
        rows = csv.DictWriter(text, [field.name for field in fields(EpochFigures)], lineterminator="\n")
        rows.writeheader()
        rows.writerows({name: f"{value:.6g}" for name, value in asdict(row).items()} for row in history)
        write_atomically(self.path / METRICS_NAME, text.getvalue().encode())

    def finish(self, card: TrainedModel, network: nn.Module) -> None:
        """Writes the trained model: the weights first, so that a card always has its weights."""
        tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_atomically(self.path / WEIGHTS_NAME, save(tensors))
        write_atomically(self.path / CARD_NAME, card.to_json())

    def _with_own_factory(self, recipe: Recipe) -> Recipe:
        self._factory_source: Path | None = None
        if ".py:" not in recipe.architecture:
            return recipe
        file, _, factory = recipe.architecture.rpartition(":")
        source = Path(file)
        if not source.is_file() and not (self.path / source.name).is_file():
            raise RequestError(f"There is no file {file!r}; FILE.py:FACTORY names a Python file and a function in it.")
        if source.is_file():
            self._factory_source = source
        return msgspec.structs.replace(recipe, architecture=f"{source.name}:{factory}")

    def _compare(self, path: Path, wanted: _Begun) -> None:
        try:
            # Fields that came with a later version get their defaults.
            found = msgspec.json.decode(path.read_bytes(), type=_Begun)
        except (OSError, msgspec.DecodeError) as error:
            raise RunError(f"{str(path)!r} cannot be read: {error}. Name another folder with `--run`.") from error
        before, now = ({"dataset": begun.dataset, **msgspec.to_builtins(begun.recipe)} for begun in (found, wanted))
        differing = [f"{key} was {before[key]!r}, now {value!r}" for key, value in now.items() if before[key] != value]
        if differing:
            raise RunError(
                f"{str(self.path)!r} was begun differently: {'; '.join(differing[:4])}. "
                "Say the same again to go on with it, or name another folder with `--run`."
            )
