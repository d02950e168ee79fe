import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from imgcls_core import OnnxClassifier, Preprocessing
from PIL import Image

COLOURS = Path(__file__).parents[3] / "tests/data/colours.onnx"


@pytest.fixture(scope="session")
def colours_path() -> Path:
    """The committed artifact of tests/data/colours.py: eight colours, 32 × 32 px, squash."""
    return COLOURS


@pytest.fixture(scope="session")
def colours(colours_path: Path) -> OnnxClassifier:
    return OnnxClassifier(colours_path, provider="cpu", threads=1)


@pytest.fixture
def encode() -> Callable[..., bytes]:
    """PIL image (or pixels) → encoded bytes."""

    def encoded(image: Image.Image | np.ndarray, format_: str = "PNG", **options: object) -> bytes:
        buffer = io.BytesIO()
        picture = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        picture.save(buffer, format_, **options)
        return buffer.getvalue()

    return encoded


@pytest.fixture
def squash() -> Preprocessing:
    return Preprocessing((224, 224), "squash", None, None, "bilinear", (0.5,) * 3, (0.5,) * 3, "13.0.0")


@pytest.fixture
def shortest_edge() -> Preprocessing:
    return Preprocessing((224, 224), "shortest_edge", 256, "center", "bilinear", (0.5,) * 3, (0.5,) * 3, "13.0.0")
