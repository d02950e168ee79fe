"""`imgcls-train fit`, as a user runs it: on real files, stopped and resumed, with plain words for mistakes."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest
import torch
from safetensors.torch import load_file

if TYPE_CHECKING:
    from imgcls_testing.commands import Outcome

Run: TypeAlias = Callable[[list[str]], tuple[int, str, str]]

# A network of a few thousand weights: what is tested is the training around it.
NETWORK = """
from torch import nn

def tiny(num_classes=3):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.1),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, num_classes),
    )
"""
COLOURS = ("blue", "green", "red")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Sums over other numbers of threads are other sums; the commands that are killed have one thread too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def dataset(image_folder: Path) -> Path:
    return image_folder


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "tiny_network.py"
    path.write_text(NETWORK, encoding="utf-8")
    return path


def arguments(dataset: Path, run: Path, network: Path, *more: str) -> list[str]:
    given = ["fit", str(dataset), "--run", str(run), "--architecture", f"{network}:tiny", "--epochs", "4"]
    recipe = ["--batch-size", "8", "--image-size", "24", "--learning-rate", "0.02", "--set", "crop_scale_min=0.8"]
    return [*given, *recipe, "--set", "warmup_epochs=0.5", "--set", "mixup_alpha=0.2", *more]


def start(given: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "imgcls_train", *given]
    return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


@pytest.fixture(scope="module")
def run(run_cli: Callable[..., Outcome]) -> Run:
    """In this process: importing PyTorch anew for every command would take most of the time."""

    def in_process(given: list[str]) -> tuple[int, str, str]:
        told = run_cli(*given)
        return told.code, told.out, told.err

    return in_process


def figures(folder: Path) -> list[dict[str, str]]:
    """What a fit measured, without the seconds that it took."""
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k not in {"seconds", "images_per_s"}} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def uninterrupted(dataset: Path, network: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    code, stdout, stderr = run(arguments(dataset, folder, network))
    assert code == 0, stderr
    assert "3 classes" in stdout
    return folder


def test_a_fit_learns_and_leaves_figures_events_weights_and_a_card(uninterrupted: Path) -> None:
    rows = figures(uninterrupted)
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1]["val_top1_pct"]) > 90
    assert (uninterrupted / "model.json").is_file()
    assert (uninterrupted / "model.safetensors").is_file()
    assert list((uninterrupted / "tensorboard").glob("events.*"))


def test_a_run_is_named_after_its_dataset_and_recipe(
    dataset: Path, network: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two recipes on one dataset do not meet in one folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick.toml").write_text("epochs = 1\nbatch_size = 24\n")
    given = arguments(dataset, Path("unused"), network)
    at = given.index("--run")
    code, _, stderr = run([*given[:at], *given[at + 2 :], "--recipe", "quick.toml"])
    assert code == 0, stderr
    assert (tmp_path / "runs" / f"{dataset.name}-quick" / "model.json").is_file()


def test_killed_again_and_again_a_fit_ends_with_the_same_weights(
    dataset: Path, network: Path, uninterrupted: Path, tmp_path: Path, run: Run
) -> None:
    """A checkpoint after every step, so that most kills fall into the writing of one."""
    given = arguments(dataset, tmp_path / "run", network, "--checkpoint-every", "0")
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    for _ in range(2):
        seen = checkpoint.stat().st_ino if checkpoint.exists() else None
        with start(given) as process:
            assert process.stderr is not None
            while " parameters on " not in (line := process.stderr.readline()):  # PyTorch is imported by now
                assert line
            written = 0
            while process.poll() is None and written < 4:
                now = checkpoint.stat().st_ino if checkpoint.exists() else None
                written, seen = written + (now != seen), now
            process.send_signal(signal.SIGKILL)
    code, _, stderr = run(given)
    assert code == 0, stderr
    assert "going on from step" in stderr
    assert figures(tmp_path / "run") == figures(uninterrupted)
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (uninterrupted / "model.safetensors").read_bytes()


def test_ctrl_c_ends_it_in_a_sentence_and_the_same_command_goes_on(
    dataset: Path, network: Path, uninterrupted: Path, tmp_path: Path, run: Run
) -> None:
    given = arguments(dataset, tmp_path / "run", network)
    with start(given) as process:
        assert process.stderr is not None
        while not process.stderr.readline().lstrip().startswith("1 "):  # the first epoch's line
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate()
    assert process.returncode == 130
    assert "interrupted. The same command goes on" in rest
    assert "Traceback" not in rest
    assert run(given)[0] == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (uninterrupted / "model.safetensors").read_bytes()


def test_a_finished_fit_is_not_done_again(dataset: Path, network: Path, uninterrupted: Path, run: Run) -> None:
    before = (uninterrupted / "model.safetensors").stat().st_mtime_ns
    code, _, stderr = run(arguments(dataset, uninterrupted, network))
    assert code == 0
    assert "finished already" in stderr
    assert (uninterrupted / "model.safetensors").stat().st_mtime_ns == before


def test_pretrained_weights_with_a_new_head_learn_a_smaller_task_sooner(
    dataset: Path, network: Path, uninterrupted: Path, tmp_path: Path, run: Run
) -> None:
    """Two of the three classes, few images, two epochs: the first with the body frozen."""
    two = tmp_path / "two"
    for split in ("train", "val"):
        (two / split).mkdir(parents=True)
        for name in ("blue", "red"):
            (two / split / name).symlink_to(dataset / split / name)
    few = ("--epochs", "2", "--set", "images_per_class=16")
    tuned = ("--pretrained", str(uninterrupted), "--set", "freeze_epochs=1", "--set", "head_learning_rate_factor=10")
    for folder, more in (("scratch", ()), ("tuned", tuned)):
        code, _, stderr = run([*arguments(two, tmp_path / folder, network), *few, *more])
        assert code == 0, stderr
    losses = {folder: float(figures(tmp_path / folder)[-1]["val_loss"]) for folder in ("scratch", "tuned")}
    assert losses["tuned"] < losses["scratch"]


def test_of_several_sets_of_pretrained_weights_one_is_chosen(
    dataset: Path, network: Path, uninterrupted: Path, tmp_path: Path, run: Run
) -> None:
    weights = load_file(uninterrupted / "model.safetensors")
    torch.save({"model": weights, "model_ema": {k: v.float() * 0.5 for k, v in weights.items()}}, tmp_path / "last.pth")
    weights_file = ["--epochs", "1", "--pretrained", str(tmp_path / "last.pth")]
    given = [*arguments(dataset, tmp_path / "run", network), *weights_file]
    code, _, stderr = run(given)
    assert (code, "model (9 tensors), model_ema (9 tensors)" in stderr) == (5, True)
    code, _, stderr = run([*given, "--state-key", "model_ema"])
    assert (code, "took model_ema (9 tensors)" in stderr) == (0, True), stderr
    assert "last.pth, model_ema (SHA-256 " in (tmp_path / "run" / "model.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--architecture", "resnet1900"), "There is no architecture 'resnet1900'"),
        (("--architecture", "missing.py:build"), "There is no file 'missing.py'"),
        (("--recipe", "nothing"), "There is no recipe 'nothing'"),
        (("--set", "colour=0.5"), "unknown field `colour`"),
        (("--set", "flip=2"), "flip"),
        (("--set", "flip"), "has no '='"),
        (("--pretrained", "missing.pth"), "There is no checkpoint at 'missing.pth'"),
        (("--val-split", "other"), "other"),
        (("--learning-rate", "1e9", "--set", "warmup_epochs=0", "--precision", "fp32"), "diverged"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    dataset: Path, network: Path, tmp_path: Path, more: tuple[str, ...], sentence: str, run: Run
) -> None:
    code, _, stderr = run([*arguments(dataset, tmp_path / "run", network), *more])
    assert code == 2, stderr
    assert sentence in stderr
    assert "Traceback" not in stderr


def test_another_recipe_for_a_folder_that_was_begun_is_refused(
    dataset: Path, network: Path, uninterrupted: Path, run: Run
) -> None:
    code, _, stderr = run([*arguments(dataset, uninterrupted, network), "--epochs", "9"])
    assert code == 2
    assert "epochs was 4, now 9" in stderr


def test_a_damaged_image_is_left_out_and_named(dataset: Path, network: Path, tmp_path: Path, run: Run) -> None:
    copy = tmp_path / "copy"
    for split in ("train", "val"):
        for name in COLOURS:
            (copy / split / name).mkdir(parents=True)
            for file in sorted((dataset / split / name).iterdir())[:9]:
                (copy / split / name / file.name).write_bytes(file.read_bytes())
    (copy / "train" / "red" / "red_000.png").write_bytes(b"not an image")
    code, _, stderr = run([*arguments(copy, tmp_path / "run", network), "--epochs", "1"])
    assert code == 0, stderr
    assert "1 train images are left out" in stderr
    assert "red/red_000.png" in stderr
