"""Training and evaluation from Python, as `from imgcls_train import fit, evaluate` gives them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcls_cli.progress import Progress, SilentProgress
from imgcls_report import table

from imgcls_train.errors import RunError

if TYPE_CHECKING:
    from imgcls_networks.models.trained_model import TrainedModel

    from imgcls_train.evaluation.document import Evaluation
    from imgcls_train.training.fit import FitProgress


@dataclass(frozen=True)
class FitReport:
    """A finished training: the trained model's folder, which `imgcls_convert.convert` takes, and its card."""

    folder: Path
    card: TrainedModel

    def __fspath__(self) -> str:
        return str(self.folder)

    def _repr_html_(self) -> str:
        """Gives what a notebook shows."""
        last = self.card.training.get("last_epoch", {})
        facts = {
            "folder": str(self.folder),
            "architecture": self.card.architecture,
            "classes": str(len(self.card.classes)),
            **{name: f"{value:.4g}" for name, value in last.items() if isinstance(value, int | float)},
        }
        return table(("training", self.card.name), facts.items())


@dataclass(frozen=True)
class EvaluationReport:
    """How good a model is on a split."""

    evaluation: Evaluation

    def _repr_html_(self) -> str:
        """Gives what a notebook shows."""
        from imgcls_train.evaluation.text import facts

        return table(("evaluation", ""), facts(self.evaluation).items())


class _Silent(SilentProgress):
    def on_step(self, figures: object) -> None:
        """Ignores it."""

    def on_epoch(self, figures: object) -> None:
        """Ignores it."""


def fit(
    dataset: str | os.PathLike[str],
    run: str | os.PathLike[str] | None = None,
    *,
    recipe: str | os.PathLike[str] | None = None,
    name: str | None = None,
    train_split: str = "train",
    val_split: str = "val",
    terms: str = "",
    progress: FitProgress | None = None,
    **changes: Any,  # noqa: ANN401 - fields of the recipe
) -> FitReport:
    """Trains a network, or goes on where the run's folder says that it was stopped, as `imgcls-train fit` does.

    Args:
        dataset: a folder that the command takes.
        run: the folder of the run; None is runs/DATASET-RECIPE.
        recipe: one that comes with the package, or a TOML file; None begins with the defaults.
        name: of the model; None is the run's.
        train_split: trained on.
        val_split: measured on after every epoch; nothing is chosen by it.
        terms: where the data and weights come from, and under what terms.
        progress: is told of stages, steps and epochs; None shows nothing.
        changes: fields of the recipe, such as `epochs=3` or `architecture="resnet18"`.

    Raises:
        RequestError: no such recipe, field or value.
        DatasetError: no dataset, or too few images.
        RunError: the folder was begun with another recipe; the training diverged.
        ImgclsError: the architecture or its weights cannot be had.
    """
    from imgcls_train.training.recipe_file import read_recipe

    chosen = None if recipe is None else os.fspath(recipe)
    read = read_recipe(chosen, changes)
    # PyTorch takes seconds to import; what was mistyped is said before.
    from imgcls_train.training import fit as training

    named = name or (Path(run).name if run else training.run_name(Path(dataset), chosen))
    request = training.FitRequest(
        dataset=Path(dataset),
        run=Path(run) if run else Path("runs") / named,
        recipe=read,
        name=named,
        train_split=train_split,
        val_split=val_split,
        terms=terms,
    )
    return FitReport(request.run, training.fit(request, progress or _Silent(), lambda _folder, _step: []))


def evaluate(
    model: str | os.PathLike[str],
    dataset: str | os.PathLike[str],
    *,
    split: str = "val",
    limit: int | None = None,
    fit_temperature: bool = False,
    progress: Progress | None = None,
) -> EvaluationReport:
    """Says how good a model is on images that it was not trained on, as `imgcls-train evaluate` does.

    Args:
        model: a trained model's folder, into whose card the evaluation is written, or an artifact, which is only read.
        dataset: a folder that the command takes.
        split: which images of it.
        limit: so many of them, evenly spread; None takes all.
        fit_temperature: give the trained model a temperature, where held-out images gain by it.
        progress: shown how far it is; None shows nothing.

    Raises:
        DatasetError: no dataset, a class that the model does not know, or an image that cannot be read.
        RunError: neither a trained model nor an artifact, or a temperature for an artifact.
    """
    from imgcls_train.data.dataset import open_split
    from imgcls_train.data.split import evenly_spread
    from imgcls_train.evaluation import measurement
    from imgcls_train.evaluation.evaluated_model import TrainedFolder, open_model
    from imgcls_train.evaluation.model_card import record_evaluation

    images = open_split(Path(dataset), split)
    images = images if limit is None else evenly_spread(images, limit)
    opened = open_model(Path(model))
    if fit_temperature and not isinstance(opened, TrainedFolder):
        raise RunError("A temperature is fitted for a trained model's folder; that of an artifact is fixed.")
    found = measurement.evaluate(
        opened, images, Path(dataset), progress or SilentProgress(), fit_temperature=fit_temperature
    )
    if isinstance(opened, TrainedFolder):
        record_evaluation(Path(model), found)
    return EvaluationReport(found.evaluation)
