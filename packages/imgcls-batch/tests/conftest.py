"""Images of eight plain colours, which the artifact of the repository tells apart, in every layout."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest
from imgcls_batch.cli import main
from imgcls_testing.commands import RunCli, runner_of
from PIL import Image

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 200, 40),
    "blue": (30, 40, 220),
    "white": (250, 250, 250),
    "black": (5, 5, 5),
}
# Decodes to more pixels than allowed, and has few bytes.
WIDE = (9_000, 6_000)


@pytest.fixture(scope="session")
def run_cli() -> RunCli:
    """Runs `imgcls-batch` in this process."""
    return runner_of(main)


@pytest.fixture(scope="session")
def model(colours_path: Path) -> Path:
    return colours_path


@pytest.fixture(scope="session")
def other_model(colours_with_reference_path: Path) -> Path:
    return colours_with_reference_path


def encoded(colour: str, seed: int, kind: str = "JPEG", size: tuple[int, int] = (48, 32)) -> bytes:
    """An image of a colour, another one for each seed."""
    noise = np.random.default_rng(seed).integers(-5, 6, (size[1], size[0], 3))
    content = io.BytesIO()
    Image.fromarray((np.array(COLOURS[colour]) + noise).clip(0, 255).astype(np.uint8)).save(content, kind)
    return content.getvalue()


@pytest.fixture(scope="session")
def make_image() -> Callable[..., bytes]:
    return encoded


@pytest.fixture(scope="session")
def images() -> dict[str, bytes]:
    """40 images by name, in the order of a listing; the name begins with the colour."""
    found = {f"{colour}/{colour}-{i}.jpg": encoded(colour, i) for colour in COLOURS for i in range(8)}
    return dict(sorted(found.items()))


@pytest.fixture(scope="session")
def bad_images() -> dict[str, tuple[bytes, str]]:
    """What is wrong with images in the wild, and the code that it gets."""
    wide = io.BytesIO()
    Image.new("1", WIDE).save(wide, "PNG")
    whole = encoded("red", 99)
    return {
        "bad/cut.jpg": (whole[: len(whole) // 2], "image_undecodable"),
        "bad/empty.jpg": (b"", "image_undecodable"),
        "bad/heavy.jpg": (b"\xff\xd8" + bytes(20_000_000), "image_too_large"),
        "bad/text.png": (b"this is no image", "image_undecodable"),
        "bad/wide.png": (wide.getvalue(), "image_too_large"),
    }


@pytest.fixture(scope="session")
def folder(images: dict[str, bytes], bad_images: dict[str, tuple[bytes, str]], tmp_path_factory) -> Path:
    """All of them as files, beside a file that is no image by its name."""
    root = tmp_path_factory.mktemp("images")
    for name, content in {**images, **{name: content for name, (content, _) in bad_images.items()}}.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(content)
    (root / "notes.txt").write_text("no image", encoding="utf-8")
    return root


@pytest.fixture(scope="session")
def rows() -> Callable[..., list[dict]]:
    """The rows of an OUTPUT in the order of their ids, read by DuckDB as a user would."""

    def read(output: Path) -> list[dict]:
        found = duckdb.sql(f"SELECT * FROM read_parquet('{output}/*.parquet') ORDER BY id")  # noqa: S608
        names = found.columns
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    return read


@pytest.fixture(scope="session")
def finished(run_cli, folder: Path, model: Path, tmp_path_factory) -> Path:
    """The OUTPUT of an undisturbed run over the folder."""
    output = tmp_path_factory.mktemp("finished") / "out"
    assert run_cli("run", folder, output, "--model", model, "--workers", 1, "--no-report").code == 0
    return output


@pytest.fixture
def write_list() -> Callable[..., Path]:
    """Writes a CSV of URIs."""

    def write(path: Path, uris: list[str]) -> Path:
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["uri", "note"])
            table.writerows([uri, "a note"] for uri in uris)
        return path

    return write
