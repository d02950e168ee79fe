"""Where the figures of the epochs go beside the CSV file: TensorBoard, and Weights & Biases where it is wanted."""

from __future__ import annotations

import importlib.util
import os
import socket
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

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
        self._folder = run / "tensorboard"
        self._begin = step + 1
        self._file: BinaryIO | None = None

    def write(self, figures: EpochFigures) -> None:
        """Takes one epoch's figures.

        Raises:
            RunError: the disk is full, for one.
        """
        # Not by its own writer, whose thread prints a trace where the disk is full.
        from tensorboard.compat.proto import event_pb2, summary_pb2  # noqa: PLC0415
        from tensorboard.summary.writer.record_writer import RecordWriter  # noqa: PLC0415

        now_s = time.time()  # noqa: TID251 - the time of day is what is kept
        events_of: Any = event_pb2  # what protobuf makes is untyped
        summaries: Any = summary_pb2
        values = [summaries.Summary.Value(tag=name, simple_value=getattr(figures, name)) for name in _FIGURES]
        events = [events_of.Event(wall_time=now_s, step=figures.step, summary=summaries.Summary(value=values))]
        try:
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                name = f"events.out.tfevents.{int(now_s):010d}.{socket.gethostname()}.{os.getpid()}"
                self._file = (self._folder / name).open("wb", buffering=0)
                start = events_of.SessionLog(status=events_of.SessionLog.START)
                events.insert(0, events_of.Event(wall_time=now_s, file_version="brain.Event:2"))
                events.insert(1, events_of.Event(wall_time=now_s, step=self._begin, session_log=start))
            records = RecordWriter(self._file)
            for event in events:
                records.write(event.SerializeToString())
        except OSError as error:
            raise RunError(
                f"TensorBoard's files in {str(self._folder)!r} cannot be written: {error.strerror or error}. The same "
                "command goes on from the last checkpoint when there is room, or with `--no-tensorboard`."
            ) from error

    def close(self) -> None:
        """Ends the file."""
        if self._file is not None:
            self._file.close()


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
