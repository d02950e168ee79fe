"""From a dataset and a recipe to a trained model's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from imgcls_core.artifact import Preprocessing
from imgcls_networks.models.trained_model import TrainedModel
from imgcls_networks.progress import Progress
from PIL import __version__ as pillow_version

from imgcls_train.data.dataset import open_split, read_classes
from imgcls_train.data.pixels import Pixels
from imgcls_train.data.split import Split, first_of_each_class
from imgcls_train.errors import DatasetError, RunError
from imgcls_train.training.compute import Compute
from imgcls_train.training.initial_network import initial_network, parameter_count
from imgcls_train.training.loop import DivergedError, EpochFigures, StepFigures, Training
from imgcls_train.training.recipe import Recipe
from imgcls_train.training.run_folder import RunFolder
from imgcls_train.training.validation import Validation


class EpochSink(Protocol):
    """Somewhere the figures of epochs go, beside the CSV file."""

    def write(self, figures: EpochFigures) -> None:
        """Takes one epoch's figures."""
        ...

    def close(self) -> None:
        """Everything has been written."""
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


def fit(
    request: FitRequest,
    progress: Progress,
    *,
    sinks: Callable[[RunFolder, int], Sequence[EpochSink]],
    on_step: Callable[[StepFigures], None],
    on_epoch: Callable[[EpochFigures], None],
) -> TrainedModel:
    """Trains, or goes on where the run's folder says that it was stopped.

    Args:
        request: what is trained on what.
        progress: is told of the stages.
        sinks: makes further places for the figures, given the folder and the step to begin at.
        on_step: is called after every step.
        on_epoch: is called after every epoch.

    Returns:
        The card of the trained model, which lies in the run's folder.

    Raises:
        DatasetError: no dataset, or too few images.
        RunError: the folder was begun with another recipe; the training diverged.
        ImgclsError: the architecture or its weights cannot be had.
    """
    folder = RunFolder(request.run)
    train, val = open_split(request.dataset, request.train_split), open_split(request.dataset, request.val_split)
    if list(train.class_names) != list(val.class_names):
        odd = sorted(set(train.class_names) ^ set(val.class_names))
        raise DatasetError(
            f"{request.train_split!r} and {request.val_split!r} hold different classes: {', '.join(odd[:5])} "
            "in one of them only."
        )
    classes = read_classes(request.dataset, train)
    recipe = folder.begin(request.recipe, f"{request.dataset.resolve().name}/{request.train_split}")
    if folder.is_finished:
        progress.note(f"{str(request.run)!r} is finished already; nothing to do")
        return TrainedModel.read(request.run)
    if recipe.images_per_class:
        train = first_of_each_class(train, recipe.images_per_class)
    compute = Compute.choose(recipe)
    preprocessing = _preprocessing(recipe)
    start = initial_network(recipe, len(classes), request.run, progress)
    progress.step(f"{recipe.architecture}: {parameter_count(start.network):,} parameters on {compute}")
    train_pixels = _pixels(train, preprocessing, progress)
    validation = Validation(_pixels(val, preprocessing, progress), preprocessing, compute)
    training = Training(
        recipe,
        start,
        train_pixels,
        validation,
        request.run,
        compute=compute,
        checkpoint_every_s=request.checkpoint_every_s,
    )
    if training.step:
        progress.step(f"going on from step {training.step:,} of {training.total_steps:,}")
    places = sinks(folder, training.step)

    def after_epoch(figures: EpochFigures) -> None:
        folder.write_metrics(training.history)
        for place in places:
            place.write(figures)
        on_epoch(figures)

    try:
        training.run(on_step, after_epoch)
    except DivergedError as error:
        raise RunError(
            f"The training diverged after {training.step:,} steps: the loss is not a number any more. "
            "Take a lower `--learning-rate` and another folder."
        ) from error
    finally:
        for place in places:
            place.close()
    folder.write_metrics(training.history)
    last = training.history[-1]
    card = TrainedModel(
        name=request.name,
        architecture=recipe.architecture,
        classes=classes,
        preprocessing=preprocessing,
        training={
            "recipe": {field: getattr(recipe, field) for field in recipe.__struct_fields__},
            "dataset": request.dataset.resolve().name,
            "train_images": len(train_pixels),
            "skipped_images": len(train_pixels.skipped),
            "pretrained": start.weights,
            "parameters": parameter_count(start.network),
            "last_epoch": {"train_loss": last.train_loss, "val_loss": last.val_loss, "val_top1_pct": last.val_top1_pct},
            "device": str(compute),
            "torch": str(torch.__version__),
        },
        terms=request.terms,
    )
    folder.finish(card, training.network)
    return card


def _pixels(split: Split, preprocessing: Preprocessing, progress: Progress) -> Pixels:
    pixels = Pixels(split, preprocessing, progress)
    if pixels.skipped:
        first, reason = next(iter(pixels.skipped.items()))
        progress.note(f"{len(pixels.skipped)} {split.name} images are left out; the first: {first}: {reason}")
    if not len(pixels):
        raise DatasetError(f"None of the {split.name!r} images can be decoded.")
    return pixels


def _preprocessing(recipe: Recipe) -> Preprocessing:
    is_squash = recipe.resize_mode == "squash"
    size = (recipe.image_size, recipe.image_size)
    # torchvision's usual ratio, 256 for 224.
    resize_size = None if is_squash else recipe.resize_size or round(recipe.image_size * 256 / 224)
    return Preprocessing(
        size=size,
        resize_mode=recipe.resize_mode,
        resize_size=resize_size,
        crop=None if is_squash else "center",
        interpolation="bilinear",
        mean=recipe.mean,
        std=recipe.std,
        pillow=pillow_version,
    )
