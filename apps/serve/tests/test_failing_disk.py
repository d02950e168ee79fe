"""A model is loaded again from a disk that fails at any operation: the old one goes on, the next load works."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from imgcls_core import DecodeLimits
from imgcls_serve.errors import ModelRefusedError, UnknownModelError
from imgcls_serve.models import registry as registry_module
from imgcls_serve.models.loading import LoadLimits
from imgcls_serve.models.registry import ModelRegistry
from imgcls_serve.models.served_model import ServedModel
from imgcls_testing.failing_disk import Failure, attempts, failing_disk

NAME = "colours"


@pytest.fixture
def store(colours_path: Path, tmp_path: Path) -> Path:
    """A model store, of which a load reads the pointer too."""
    version = f"sha256-{hashlib.sha256(colours_path.read_bytes()).hexdigest()}"
    folder = tmp_path / "store" / NAME
    (folder / version).mkdir(parents=True)
    shutil.copy(colours_path, folder / version / f"{NAME}.onnx")
    (folder / "latest.json").write_text(json.dumps({"version": version}), encoding="utf-8")
    return tmp_path / "store"


def load(name: str, file: Path) -> ServedModel:
    return ServedModel(
        file, name=name, provider="cpu", threads=1, at_once=1, limits=DecodeLimits(), window_s=60, trusted_keys=()
    )


def test_a_reload_that_cannot_read_changes_nothing(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a process of its own nothing would fail.
    monkeypatch.setattr(registry_module, "try_apart", lambda *_, **__: None)
    models = ModelRegistry(
        model=None,
        folder=store,
        default=None,
        load=lambda name, file, _: load(name, file),
        provider="cpu",
        limits=LoadLimits(60),
        memory=0,
        graphs=None,
        on_eviction=lambda _: None,
    )
    before = asyncio.run(models.load(NAME))

    def reload() -> str:
        try:
            asyncio.run(models.load(NAME))
        except (ModelRefusedError, UnknownModelError) as error:
            return str(error)
        return ""

    tried = 0
    for attempt in attempts(partial(failing_disk, store, Failure.BROKEN, reads=True), reload):
        tried = attempt.at
        serving = models.get(NAME)
        if attempt.result:
            assert attempt.has_failed
            assert serving is before
        assert serving.predict(np.zeros((1, 32, 32, 3), np.uint8)).shape == (1, 8)
        before = serving
    assert tried > 5
    assert reload() == ""
    assert models.get(NAME) is not before
