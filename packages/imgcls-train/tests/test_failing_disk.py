"""A fit whose disk fails at any operation keeps a whole checkpoint, says so in a sentence, and goes on later."""

from __future__ import annotations

import csv
import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from imgcls_cli.files import FileWriteError
from imgcls_core import ClassInfo
from imgcls_networks.models.trained_model import TrainedModel
from imgcls_testing.failing_disk import Failure, attempts, failing_disk
from imgcls_train.errors import RunError
from imgcls_train.training.recipe import Recipe
from imgcls_train.training.run_folder import EpochFigures, RunFolder
from torch import nn

if TYPE_CHECKING:
    from imgcls_testing.commands import RunCli

RECIPE = Recipe()
CARD = TrainedModel("x", "small_resnet12", (ClassInfo(0, "a"), ClassInfo(1, "b")), RECIPE.preprocessing, {})
EPOCHS = 2
NETWORK = """
from torch import nn

def build(num_classes=3):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
"""


def state_after(epoch: int) -> dict[str, Any]:
    return {"step": epoch, "weights": torch.full((20_000,), float(epoch))}


def figures(epoch: int) -> EpochFigures:
    return EpochFigures(epoch, epoch, 0.1, 32, 1.0, 1.0, 50.0, 90.0, 1.0, 10.0)


def fit(path: Path) -> str:
    """Does with the run's folder what a fit does; gives what it says when it cannot go on."""
    try:
        folder = RunFolder(path, RECIPE, "data")
        begun = folder.load_checkpoint()
        for epoch in range(begun["step"] if begun else 0, EPOCHS):
            folder.save_checkpoint(state_after(epoch + 1), [figures(one) for one in range(epoch + 1)])
        folder.finish(CARD, nn.Linear(2, 2))
    except (RunError, FileWriteError) as error:
        return str(error)
    return ""


def check_whole(path: Path) -> None:
    """What a fit, or somebody who uses its model, relies on."""
    if not (path / "recipe.json").is_file():
        return
    folder = RunFolder(path, RECIPE, "data")
    if (checkpoint := folder.load_checkpoint()) is not None:
        step = checkpoint["step"]
        assert torch.equal(checkpoint["weights"], state_after(step)["weights"])
        with (path / "metrics.csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) >= step
    if folder.trained_model is not None:
        assert (path / "model.safetensors").is_file()


@pytest.mark.parametrize("failure", Failure)
def test_a_fit_on_a_disk_that_fails_at_any_operation_goes_on_later(tmp_path: Path, failure: Failure) -> None:
    run = tmp_path / "run"
    tried = 0
    for attempt in attempts(partial(failing_disk, run, failure), partial(fit, run)):
        tried = attempt.at
        check_whole(run)
        if attempt.result is not None:
            assert attempt.has_failed or not attempt.result
            assert not attempt.result or "cannot be written: " in attempt.result
        assert fit(run) == ""
        check_whole(run)
        assert RunFolder(run, RECIPE, "data").trained_model == CARD
        shutil.rmtree(run)
    assert tried > 20


def test_figures_for_tensorboard_that_find_no_room_are_one_sentence(
    run_cli: RunCli, image_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "network.py").write_text(NETWORK, encoding="utf-8")
    arguments = ["fit", image_folder, "--run", tmp_path / "run", "--architecture", f"{tmp_path}/network.py:build"]
    arguments += ["--epochs", "2", "--image-size", "16", "--batch-size", "24", "--checkpoint-every", "0"]
    with failing_disk(tmp_path / "run" / "tensorboard", Failure.FULL, at=6) as disk:  # in the second epoch
        refused = run_cli(*arguments)
    assert disk.has_failed
    assert refused.code == 2
    assert refused.sentence.startswith("imgcls-train: TensorBoard's files in")
    assert "No space left on device" in refused.sentence
    assert "Traceback" not in refused.err + capfd.readouterr().err
    again = run_cli(*arguments)
    assert again.code == 0, again.err
    assert "going on from step" in again.err
