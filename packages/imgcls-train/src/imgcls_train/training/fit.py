"""From a dataset and a recipe to a trained model's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from imgcls_cli.progress import Progress
from imgcls_core.artifact import ClassInfo
from imgcls_networks.models.trained_model import TrainedModel
from msgspec import to_builtins

from imgcls_train.data.dataset import open_split, read_classes
from imgcls_train.data.pixels import Pixels
from imgcls_train.data.split import Split, first_of_each_class
from imgcls_train.errors import DatasetError
from imgcls_train.training.compute import Compute
from imgcls_train.training.initial_network import initial_network
from imgcls_train.training.loop import StepFigures, Training
from imgcls_train.training.recipe import Recipe
from imgcls_train.training.run_folder import EpochFigures, RunFolder
from imgcls_train.training.validation import Validation


class EpochSink(Protocol):
    """Somewhere the figures of epochs go, beside the CSV file."""

    def write(self, figures: EpochFigures) -> None:
        """Takes one epoch's figures."""
        ...

    def close(self) -> None:
        """Everything has been written."""
        ...


class FitProgress(Progress, Protocol):
    """Progress that also follows the steps and epochs of a training."""

    def on_step(self, figures: StepFigures) -> None:
        """A step is done."""
        ...

    def on_epoch(self, figures: EpochFigures) -> None:
        """An epoch is done."""
        ...


@dataclass(frozen=True)
class FitRequest:
    """One fit.

    Args:
        dataset: the folder of the dataset.
        run: the folder of the run.
        recipe: what is done.
        name: of the model.
        train_split: trained on.
        val_split: measured on after every epoch; nothing is chosen by it.
        terms: where the data and weights come from, and under what terms.
        checkpoint_every_s: the most work that a kill may cost, in seconds.
    """

    dataset: Path
    run: Path
    recipe: Recipe
    name: str
    train_split: str = "train"
    val_split: str = "val"
    terms: str = ""
    checkpoint_every_s: float = 60.0


def run_name(dataset: Path, recipe: str | None) -> str:
    """Gives the name of a run that nobody has named: after the dataset, and the recipe where there is one."""
    return "-".join([dataset.resolve().name, *([Path(recipe).stem] if recipe else [])])


def fit(request: FitRequest, progress: FitProgress, sinks: Callable[[Path, int], Sequence[EpochSink]]) -> TrainedModel:
    """Trains, or goes on where the run's folder says that it was stopped.

    Args:
        request: what is trained on what.
        progress: is told of the stages, steps and epochs.
        sinks: makes further places for the figures, given the folder and the step to begin at.

    Returns:
        The card of the trained model, which lies in the run's folder.

    Raises:
        DatasetError: no dataset, or too few images.
        RunError: the folder was begun with another recipe; the training diverged.
        ImgclsError: the architecture or its weights cannot be had.
    """
    train, val, classes = _open_dataset(request)
    folder = RunFolder(request.run, request.recipe, f"{request.dataset.resolve().name}/{request.train_split}")
    if trained := folder.trained_model:
        progress.note(f"{str(request.run)!r} is finished already; nothing to do")
        return trained
    recipe = folder.recipe
    if recipe.images_per_class:
        train = first_of_each_class(train, recipe.images_per_class)
    compute = Compute.choose(recipe)
    start = initial_network(recipe, len(classes), request.run, progress)
    progress.step(f"{recipe.architecture}: {start.parameters:,} parameters on {compute}")
    pixels = Pixels(train, recipe.preprocessing, progress)
    validation = Validation(Pixels(val, recipe.preprocessing, progress), recipe.preprocessing, compute)
    training = Training(
        folder, start, pixels, validation, compute=compute, checkpoint_every_s=request.checkpoint_every_s
    )
    if training.step:
        progress.step(f"going on from step {training.step:,} of {training.total_steps:,}")
    _run(training, progress, sinks(request.run, training.step))
    last = training.history[-1]
    card = TrainedModel(
        name=request.name,
        architecture=recipe.architecture,
        classes=classes,
        preprocessing=recipe.preprocessing,
        training={
            "recipe": to_builtins(recipe),
            "dataset": request.dataset.resolve().name,
            "train_images": len(pixels),
            "skipped_images": len(pixels.skipped),
            "pretrained": start.weights,
            "parameters": start.parameters,
            "last_epoch": {"train_loss": last.train_loss, "val_loss": last.val_loss, "val_top1_pct": last.val_top1_pct},
            "device": str(compute),
            "torch": str(torch.__version__),
        },
        terms=request.terms,
    )
    folder.finish(card, training.network)
    return card


def _open_dataset(request: FitRequest) -> tuple[Split, Split, tuple[ClassInfo, ...]]:
    train, val = open_split(request.dataset, request.train_split), open_split(request.dataset, request.val_split)
    if list(train.class_names) != list(val.class_names):
        odd = sorted(set(train.class_names) ^ set(val.class_names))
        raise DatasetError(
            f"{request.train_split!r} and {request.val_split!r} hold different classes: {', '.join(odd[:5])} "
            "in one of them only."
        )
    return train, val, read_classes(request.dataset, train)


def _run(training: Training, progress: FitProgress, sinks: Sequence[EpochSink]) -> None:
    def after_epoch(figures: EpochFigures) -> None:
        for sink in sinks:
            sink.write(figures)
        progress.on_epoch(figures)

    with ExitStack() as open_sinks:
        for sink in sinks:
            open_sinks.callback(sink.close)
        training.run(progress.on_step, after_epoch)
