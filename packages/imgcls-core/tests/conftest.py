from pathlib import Path

import pytest
from imgcls_core import OnnxClassifier, Preprocessing


@pytest.fixture(scope="session")
def colours(colours_path: Path) -> OnnxClassifier:
    return OnnxClassifier(colours_path, provider="cpu", threads=1)


@pytest.fixture
def squash() -> Preprocessing:
    return Preprocessing((224, 224), "squash", None, None, "bilinear", (0.5,) * 3, (0.5,) * 3, "13.0.0")


@pytest.fixture
def shortest_edge() -> Preprocessing:
    return Preprocessing((224, 224), "shortest_edge", 256, "center", "bilinear", (0.5,) * 3, (0.5,) * 3, "13.0.0")
