"""What the service does when its model or its engine fails, in process, through HTTPX's ASGI transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from imgcls_core import OnnxClassifier
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_core.errors import InferenceError
from imgcls_serve.app import create_app
from imgcls_serve.service import Service
from imgcls_serve.settings import read_settings
from msgspec import structs

if TYPE_CHECKING:
    from conftest import PictureOf, StartService

PNG = {"content-type": "image/png"}


class WorkerDeath(BaseException):
    """Not an Exception: nothing may swallow it."""


@pytest.fixture
def wrong_golden(colours_path: Path, tmp_path: Path) -> Path:
    """The artifact with one golden probability changed, sealed as if it were right."""
    metadata = OnnxClassifier(colours_path, provider="cpu", warm_up=False).metadata
    first, *others = metadata.golden
    best, *rest = first.top
    # Without its whole vector the case is what it names.
    top = (structs.replace(best, probability=1 - best.probability), *rest)
    wrong = structs.replace(first, top=top, vector_base64=None)
    file = tmp_path / "colours.onnx"
    file.write_bytes(sealed_artifact(colours_path.read_bytes(), structs.replace(metadata, golden=(wrong, *others))))
    return file


def run(model: Path, test: Callable[[Service, httpx.AsyncClient], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        service = Service(read_settings(model=model))
        transport = httpx.ASGITransport(create_app(service))  # pyright: ignore[reportArgumentType]
        service.start()
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            while (reason := service.not_ready_reason) is not None and "being loaded" in reason:  # noqa: ASYNC110
                await asyncio.sleep(0)
            await test(service, client)
        await service.stop()

    asyncio.run(asyncio.wait_for(whole(), 30))


def test_a_fault_of_the_runtime_is_a_500_that_tells_nothing_and_the_service_goes_on(
    colours_path: Path, picture_of: PictureOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise InferenceError("secret /path/of/ours")

    async def test(service: Service, client: httpx.AsyncClient) -> None:
        model = service.registry.get(None)
        with monkeypatch.context() as patch:
            patch.setattr(model, "predict", fail)
            reply = await client.post("/predict", content=picture_of("red"), headers=PNG)
        assert (reply.status_code, reply.json()["code"]) == (500, "internal_error")
        assert "secret" not in reply.text
        again = await client.post("/predict", content=picture_of("red"), headers=PNG)
        assert again.json()["label"] == "red"
        assert (await client.get("/ready")).status_code == 200

    run(colours_path, test)


@pytest.mark.parametrize("path", ["/health", "/metrics", "/models", "/golden", "/v2/models/colours"])
def test_a_bug_on_any_route_is_a_problem_with_its_request_id_and_counted_there(
    colours_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("secret of ours")

    async def test(service: Service, client: httpx.AsyncClient) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("imgcls_serve.routes.state.psutil.virtual_memory", bug)
            patch.setattr(service.metrics, "exposition", bug)
            patch.setattr(service.registry, "files", bug)
            patch.setattr(service, "check_ready", bug)
            reply = await client.get(path, headers={"x-request-id": "mine"})
        assert reply.status_code == 500
        assert reply.headers["content-type"] == "application/problem+json"
        assert (reply.json()["code"], reply.json()["request_id"]) == ("internal_error", "mine")
        assert "secret" not in reply.text
        assert ("error" in reply.json()) == path.startswith("/v2")
        route = path.replace("colours", "{name}")
        assert f'code="internal_error",route="{route}",status="500"' in (await client.get("/metrics")).text

    run(colours_path, test)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_turns_ready_off(
    colours_path: Path, picture_of: PictureOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: object) -> None:
        raise WorkerDeath

    async def test(service: Service, client: httpx.AsyncClient) -> None:
        monkeypatch.setattr(service.registry.get(None), "predict", die)
        reply = await client.post("/predict", content=picture_of("red"), headers=PNG)
        assert reply.status_code == 500
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        assert "worker" in ready.json()["detail"]
        assert (await client.get("/health")).status_code == 200
        refused = await client.post("/predict", content=picture_of("red"), headers=PNG)
        assert refused.status_code == 503

    run(colours_path, test)


def test_a_model_that_does_not_reproduce_its_golden_answers_is_not_served(
    start_service: StartService, wrong_golden: Path
) -> None:
    with start_service(model=wrong_golden) as running:
        ready = running.client.get("/ready")
        assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
        assert "Golden case" in ready.json()["detail"]
        assert "max |Δp| =" in ready.json()["detail"]
        assert running.client.get("/health").status_code == 200


def test_a_file_that_fails_its_golden_cases_is_refused_and_the_old_one_stays(
    start_service: StartService, wrong_golden: Path, colours_path: Path, picture_of: PictureOf
) -> None:
    bad = wrong_golden.read_bytes()
    wrong_golden.write_bytes(colours_path.read_bytes())
    admin = {"x-api-key": "admin-token-1"}
    with start_service(model=wrong_golden, admin_token="admin-token-1") as running:  # noqa: S106
        wrong_golden.unlink()
        wrong_golden.write_bytes(bad)
        refused = running.client.post("/models/colours/load", headers=admin)
        assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
        assert "Golden case" in refused.json()["detail"]
        assert running.client.post("/predict", content=picture_of("red"), headers=PNG).json()["label"] == "red"
