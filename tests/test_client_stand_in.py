"""The service that the client's tests stand on is a stand-in: it must say what the real one says."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from imgcls_serve.app import openapi
from imgcls_testing.service import StartService
from PIL import Image

STAND_IN = Path(__file__).parents[1] / "packages/imgcls-client/tests/stand_in.py"
# Objects whose keys are the machine's own.
FREE = {"memory", "disk", "versions"}
# What an artifact may carry and the small one of the tests does not.
OPTIONAL = {"counterfactuals", "vector_base64"}
JSON = {"Content-Type": "application/json"}
Ask = tuple[str, str, dict[str, Any]]


def photo() -> bytes:
    encoded = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(encoded, "PNG")
    return encoded.getvalue()


QUESTIONS: dict[str, Ask] = {
    "health": ("GET", "/health", {}),
    "ready": ("GET", "/ready", {}),
    "golden": ("GET", "/golden", {}),
    "models": ("GET", "/models", {}),
    "predict": ("POST", "/predict", {"content": photo(), "headers": {"Content-Type": "image/png"}}),
    "the whole vector": ("POST", "/predict?probabilities=true&top_k=1", {"content": photo()}),
    "batch": ("POST", "/predict/batch", {"files": [("file", photo()), ("file", b"no image")]}),
    "no image": ("POST", "/predict", {"content": b"no image", "headers": {"Content-Type": "image/png"}}),
    "no such type": ("POST", "/predict", {"content": photo(), "headers": {"Content-Type": "text/plain"}}),
    "no such model": ("POST", "/predict?model=none", {"content": photo(), "headers": {"Content-Type": "image/png"}}),
    "no classes": ("POST", "/predict?top_k=0", {"content": photo(), "headers": {"Content-Type": "image/png"}}),
    "no base64": ("POST", "/predict", {"content": b'{"image_base64": "!"}', "headers": JSON}),
    "no route": ("GET", "/no-such-route", {}),
}


@pytest.fixture(scope="module")
def stand_in_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("client_stand_in", STAND_IN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clients(
    stand_in_module: ModuleType, start_service: StartService, colours_path: Path
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Clients of the stand-in and of a real service."""
    with (
        stand_in_module.StandIn(stand_in_module.Faults()) as stand_in,
        httpx.Client(base_url=stand_in.url) as client,
        start_service(model=colours_path, provider="cpu") as service,
    ):
        yield client, service.client


def shape(value: object) -> object:
    """Gives an answer's fields and types without what it says; of a list, that of its first entry."""
    if isinstance(value, dict):
        return {name: "free" if name in FREE else shape(each) for name, each in value.items() if name not in OPTIONAL}
    if isinstance(value, list):
        return [shape(each) for each in value[:2]] if value and isinstance(value[0], dict) else "list"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_stand_in_describes_itself_as_the_service_does_today(stand_in_module: ModuleType) -> None:
    assert json.loads(json.dumps(openapi())) == stand_in_module.OPENAPI


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_the_stand_in_answers_in_the_form_of_the_service(
    clients: tuple[httpx.Client, httpx.Client], question: Ask
) -> None:
    method, path, options = question
    stand_in, service = (client.request(method, path, **options) for client in clients)
    assert stand_in.status_code == service.status_code
    assert stand_in.headers["content-type"].split(";")[0] == service.headers["content-type"].split(";")[0]
    said, expected = stand_in.json(), service.json()
    if "code" in expected:
        assert (said["type"], said["code"]) == (expected["type"], expected["code"])
    assert shape(said) == shape(expected)
