from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING

import msgspec
import pytest
from imgcls_core.artifact.seal import sealed_artifact
from imgcls_core.inference.classifier import OnnxClassifier
from imgcls_serve.scheduler.full_sign import FullSign

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import PictureOf, RunningService, StartService


def test_health_tells_of_the_process_and_the_machine(service: RunningService) -> None:
    reply = service.client.get("/health")
    body = reply.json()
    assert reply.status_code == 200
    assert body["status"] == "ok"
    assert (body["model"]["name"], body["model"]["classes"]) == ("colours", 8)
    assert body["provider"] in {"cpu", "cuda"}
    assert set(body["gpu"]) == {"present", "reason"}
    assert body["memory"]["process_rss"] > 0
    assert body["disk"]["free"] > 0
    assert body["uptime_s"] > 0
    assert {"python", "imgcls-serve", "imgcls-core"} <= set(body["versions"])


def test_nobody_runs_a_model_without_being_told_its_terms(
    start_service: StartService, colours_path: Path, tmp_path: Path
) -> None:
    metadata = OnnxClassifier(colours_path, provider="cpu").metadata
    source = msgspec.structs.replace(metadata.source, terms="For research and education.")
    path = tmp_path / "colours.onnx"
    path.write_bytes(sealed_artifact(colours_path.read_bytes(), msgspec.structs.replace(metadata, source=source)))
    with start_service(model=path) as service:
        assert service.client.get("/health").json()["model"]["terms"] == source.terms
        assert service.client.get("/models").json()["models"][0]["terms"] == source.terms


def test_ready_names_the_model_and_the_provider(service: RunningService) -> None:
    body = service.client.get("/ready").json()
    assert body["ready"] is True
    assert body["model"]["name"] == "colours"


def test_golden_cases_are_reproduced_over_http(service: RunningService) -> None:
    """The promise of the artifact: a deployment answers its golden cases within the tolerance it states."""
    golden = service.client.get("/golden").json()
    assert golden["cases"]
    for case in golden["cases"]:
        image = base64.b64decode(case["image_base64"])
        params = {"probabilities": "true"}
        headers = {"content-type": "application/octet-stream"}
        answer = service.client.post("/predict", params=params, content=image, headers=headers).json()
        assert answer["class_id"] == case["top"][0]["class_id"]
        for expected in case["top"]:
            assert expected["label"]
            found = answer["probabilities"][expected["class_id"]]
            assert abs(found - expected["probability"]) <= golden["tolerance"]


def test_a_provider_that_is_missing_keeps_the_service_up_and_not_ready(start_service: StartService) -> None:
    """Where CUDA is usable this cannot be shown; CI has no GPU."""
    with start_service(provider="cuda") as running:
        health = running.client.get("/health")
        ready = running.client.get("/ready")
        predict = running.client.post("/predict", content=b"x", headers={"content-type": "image/png"})
        if ready.status_code == 200:
            assert health.json()["provider"] == "cuda"
            return
        assert health.status_code == 200
        assert health.json()["model"] is None
        assert ready.status_code == predict.status_code == 503
        assert ready.json()["code"] == predict.json()["code"] == "not_ready"
        assert "'cuda'" in ready.json()["detail"]
        assert ready.headers["retry-after"] == "1"


def test_a_service_with_much_waiting_says_so_before_it_refuses(
    start_service: StartService, picture_of: PictureOf
) -> None:
    """An inference that waits for company keeps its image pending until a second one comes."""
    layout = {"thread_layout": "wide", "max_batch": 2, "max_wait_ms": 1000}
    with start_service(queue_size=2, full_at=0.5, **layout) as running, ThreadPoolExecutor(1) as threads:
        assert running.client.get("/ready").status_code == 200
        first = threads.submit(running.predict, picture_of("red"))
        while (ready := running.client.get("/ready")).status_code == 200:
            assert not first.done()
        assert (ready.status_code, ready.json()["code"]) == (503, "queue_full")
        assert running.client.get("/v2/health/ready").status_code == 503
        assert running.client.get("/health").json()["status"] == "ok"
        assert "imgcls_full 1.0" in running.client.get("/metrics").text
        assert running.predict(picture_of("blue")).status_code == first.result().status_code == 200
        assert running.client.get("/ready").status_code == 200


def test_a_full_service_stays_so_until_half_is_done() -> None:
    sign = FullSign(0.5)
    assert [sign.is_up(pending, 16) for pending in (7, 8, 7, 5, 4, 5, 7, 8)] == [
        *(False, True, True, True),
        *(False, False, False, True),
    ]
    assert not FullSign(0).is_up(100, 16)


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_another_engine_answers_the_golden_cases_over_http_and_says_its_precision(start_service: StartService) -> None:
    with start_service(provider="openvino") as running:
        health = running.client.get("/health").json()
        assert (health["provider"], health["provider_reason"]) == ("openvino-fp32", "asked for")
        assert "openvino" in health["versions"]
        assert 'provider="openvino-fp32"' in running.client.get("/metrics").text
        test_golden_cases_are_reproduced_over_http(running)


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_health_says_which_engine_was_the_faster_and_by_how_much(start_service: StartService, tmp_path: Path) -> None:
    with start_service(provider="auto", cache_dir=tmp_path) as running:
        health = running.client.get("/health").json()
        if not health["gpu"]["present"]:
            assert health["provider"] in {"cpu", "openvino-fp32"}
            assert "openvino-fp32 takes" in health["provider_reason"]
            assert (tmp_path / "engines.json").is_file()


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_a_precision_beyond_the_artifacts_tolerance_is_not_served(start_service: StartService) -> None:
    with start_service(provider="openvino-bf16") as running:
        detail = running.client.get("/ready").json()["detail"]
        assert "on provider 'openvino-bf16': max |Δp|" in detail or "this processor has no bf16" in detail
