"""Tiny datasets of three colours, one for each layout; each test that changes one copies it first."""

import pickle
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import onnx
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_testing.commands import RunCli, runner_of
from imgcls_train.cli import main
from msgspec import structs
from PIL import Image

CLASSES = {"blue": (40, 60, 200), "green": (50, 170, 60), "red": (200, 50, 40)}
PER_CLASS = {"train": 24, "val": 10}
SIDE_PX = 32


@pytest.fixture(scope="session")
def run_cli() -> RunCli:
    """Runs `imgcls-train` in this process."""
    return runner_of(main)


def _image(colour: tuple[int, int, int], seed: int, side_px: int) -> Image.Image:
    """Soft blotches in one colour: every seed another image, every class another colour."""
    light = np.random.default_rng(seed).uniform(0.45, 1.25, (6, 6, 1))
    blotches = Image.fromarray((light * colour).clip(0, 255).astype(np.uint8))
    return blotches.resize((side_px, side_px), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def make_image() -> Callable[..., Image.Image]:
    """Gives an image of a class ("blue", "green", "red"), another one for each seed."""

    def make(class_name: str, seed: int, side_px: int = SIDE_PX) -> Image.Image:
        return _image(CLASSES[class_name], 1000 * sorted(CLASSES).index(class_name) + seed, side_px)

    return make


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory, make_image: Callable[..., Image.Image]) -> Path:
    """A dataset in folders: train and val, 3 classes of 24 and 10 PNG files, 32 × 32 px. Not to be changed."""
    root = tmp_path_factory.mktemp("folders")
    for split, count in PER_CLASS.items():
        for class_name in CLASSES:
            folder = root / split / class_name
            folder.mkdir(parents=True)
            for i in range(count):
                make_image(class_name, i + (500 if split == "val" else 0)).save(folder / f"{class_name}_{i:03d}.png")
    return root


@pytest.fixture(scope="session")
def tar_dataset(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Path:
    """The same images in tar files: train in two, val in one. Not to be changed."""
    root = tmp_path_factory.mktemp("tars")
    with tarfile.open(root / "train-000.tar", "w") as first, tarfile.open(root / "train-001.tar", "w") as second:
        for i, file in enumerate(sorted((image_folder / "train").rglob("*.png"))):
            (first if i % 2 else second).add(file, file.relative_to(image_folder).as_posix())
    with tarfile.open(root / "val.tar", "w") as tar:
        tar.add(image_folder / "val", "val")
    return root


def _rows(folder: Path) -> tuple[np.ndarray, list[int]]:
    """uint8 [N, 3072], channel first, and the labels, mixed."""
    files = sorted(folder.rglob("*.png"))
    np.random.default_rng(5).shuffle(files)
    pixels = np.stack([np.asarray(Image.open(file)).transpose(2, 0, 1).reshape(-1) for file in files])
    return pixels, [sorted(CLASSES).index(file.parent.name) for file in files]


@pytest.fixture(scope="session")
def cifar100(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Path:
    """The same images as torchvision stores CIFAR-100, with 3 fine classes. Not to be changed."""
    root = tmp_path_factory.mktemp("cifar100")
    folder = root / "cifar-100-python"
    folder.mkdir()
    for ours, theirs in (("train", "train"), ("val", "test")):
        data, labels = _rows(image_folder / ours)
        content = {"data": data, "fine_labels": labels, "coarse_labels": labels, "batch_label": ours}
        (folder / theirs).write_bytes(pickle.dumps(content, protocol=2))
    (folder / "meta").write_bytes(
        pickle.dumps({"fine_label_names": sorted(CLASSES), "coarse_label_names": sorted(CLASSES)}, protocol=2)
    )
    return root


@pytest.fixture(scope="session")
def cifar10(tmp_path_factory: pytest.TempPathFactory, image_folder: Path) -> Path:
    """The same images as torchvision stores CIFAR-10, with 3 classes. Not to be changed."""
    root = tmp_path_factory.mktemp("cifar10")
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    data, labels = _rows(image_folder / "train")
    for i in range(5):
        content = {"data": data[i::5], "labels": labels[i::5]}
        (folder / f"data_batch_{i + 1}").write_bytes(pickle.dumps(content, protocol=5))
    data, labels = _rows(image_folder / "val")
    (folder / "test_batch").write_bytes(pickle.dumps({"data": data, "labels": labels}, protocol=4))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": sorted(CLASSES)}, protocol=4))
    return root


@pytest.fixture
def own_folder(image_folder: Path, tmp_path: Path) -> Path:
    """A copy of the dataset in folders that the test may change."""
    return Path(shutil.copytree(image_folder, tmp_path / "dataset"))


@pytest.fixture
def memory() -> Iterator[str]:
    """An object store in memory."""
    yield "memory://models"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, memory: str) -> str:
    return str(tmp_path / "store") if request.param == "folder" else memory


class MakeArtifact(Protocol):
    """Writes an artifact that answers as tests/data/colours.onnx does and is another file; gives its path."""

    def __call__(
        self,
        path: Path,
        name: str = "colours",
        *,
        swap_red_and_green: bool = False,
        red_label: str = "red",
        doc_string: str = "another file",
    ) -> Path: ...


@pytest.fixture(scope="session")
def make_artifact(colours_path: Path) -> MakeArtifact:
    """Sealed, as `imgcls-convert` leaves one; or one that calls red green and green red."""

    def make(
        path: Path,
        name: str = "colours",
        *,
        swap_red_and_green: bool = False,
        red_label: str = "red",
        doc_string: str = "another file",
    ) -> Path:
        metadata = structs.replace(OnnxClassifier(colours_path, provider="cpu").metadata, name=name)
        red, green, *others = metadata.classes
        metadata = structs.replace(metadata, classes=(structs.replace(red, label=red_label), green, *others))
        if swap_red_and_green:
            classes = (structs.replace(red, label=green.label), structs.replace(green, label=red.label), *others)
            metadata = structs.replace(metadata, classes=classes, golden=(), parity=None)
        model = onnx.load(colours_path)
        model.doc_string = doc_string
        path.write_bytes(sealed_artifact(model.SerializeToString(), metadata))
        return path

    return make
