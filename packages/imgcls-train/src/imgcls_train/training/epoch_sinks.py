"""Where the figures of the epochs go beside the CSV file: TensorBoard, and Weights & Biases where it is wanted."""

from __future__ import annotations

import importlib.util
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from imgcls_networks.errors import RequestError

from imgcls_train.errors import RunError
from imgcls_train.training.recipe import Recipe
from imgcls_train.training.run_folder import EpochFigures

_FIGURES = (
    "learning_rate",
    "train_size",
    "train_loss",
    "val_loss",
    "val_top1_pct",
    "val_top5_pct",
    "images_per_s",
)


class TensorBoardSink:
    """Event files in the run's folder, `tensorboard --logdir RUN` shows them.

    Args:
        run: the run's folder.
        step: events of this step and later ones, from before a kill, are taken back.
    """

    def __init__(self, run: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - takes a second to import

        self._folder = run / "tensorboard"
        self._writer = SummaryWriter(self._folder, purge_step=step + 1)

    def write(self, figures: EpochFigures) -> None:
        """Takes one epoch's figures."""
        try:
            for name in _FIGURES:
                self._writer.add_scalar(name, getattr(figures, name), figures.step)
            self._writer.flush()
        except OSError as error:
            raise RunError(
                f"TensorBoard's files in {str(self._folder)!r} cannot be written: {error.strerror or error}. The same "
                "command goes on from the last checkpoint when there is room, or with `--no-tensorboard`."
            ) from error

    def close(self) -> None:
        """Ends the file; what a full disk did not take was said when it was written."""
        with suppress(OSError):
            self._writer.close()


class WandbSink:
    """A run of Weights & Biases, online or offline as `WANDB_MODE` says; a resumed fit goes on with the same run.

    Args:
        run: the run's folder; the files lie in it, and its name is the run's.
        project: of Weights & Biases.
        recipe: is shown as the run's configuration.

    Raises:
        RequestError: wandb is not installed.
    """

    def __init__(self, run: Path, project: str, recipe: Recipe) -> None:
        if importlib.util.find_spec("wandb") is None:
            raise RequestError(
                "`--wandb` needs Weights & Biases, which is not installed: `pip install imgcls-train[wandb]`."
            )
        import wandb  # noqa: PLC0415  # pyright: ignore[reportMissingImports] - only where it is installed

        id_file = run / "wandb-id"
        if not id_file.is_file():
            id_file.write_text(os.urandom(6).hex(), encoding="utf-8")
        self._run: Any = wandb.init(
            project=project,
            name=run.name,
            id=id_file.read_text(encoding="utf-8"),
            resume="allow",
            dir=run,
            config=msgspec.to_builtins(recipe),
        )

    def write(self, figures: EpochFigures) -> None:
        """Takes one epoch's figures."""
        self._run.log(asdict(figures), step=figures.step)

    def close(self) -> None:
        """Sends or writes what is left."""
        self._run.finish(quiet=True)
