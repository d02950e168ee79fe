from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import PictureOf, RunningService, StartService


def value(text: str, sample: str) -> float:
    found = re.search(rf"^{re.escape(sample)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_metrics_count_what_happened(start_service: StartService, picture_of: PictureOf) -> None:
    with start_service() as running:
        for colour in ("red", "red", "blue"):
            running.client.post("/predict", content=picture_of(colour), headers={"content-type": "image/png"})
        running.client.post("/predict", content=b"x", headers={"content-type": "image/png"})
        running.client.get("/nothing/at/all")
        running.client.get("/golden")
        reply = running.client.get("/metrics")
    text = reply.text
    assert reply.headers["content-type"].startswith("text/plain")
    assert value(text, 'imgcls_requests_total{code="",route="/predict",status="200"}') == 3
    assert value(text, 'imgcls_requests_total{code="image_undecodable",route="/predict",status="400"}') == 1
    assert value(text, 'imgcls_requests_total{code="not_found",route="unknown",status="404"}') == 1
    assert value(text, 'imgcls_requests_total{code="",route="/golden",status="200"}') == 1
    assert value(text, 'imgcls_request_seconds_count{route="/predict"}') == 4
    assert value(text, 'imgcls_stage_seconds_count{stage="decode"}') == 3
    assert value(text, "imgcls_batch_images_sum") == 3
    assert value(text, 'imgcls_predictions_total{class_id="0",label="red",model="colours"}') == 2
    assert value(text, 'imgcls_confidence_count{model="colours"}') == 3
    assert value(text, 'imgcls_dropped_images_total{reason="deadline"}') == 0
    assert value(text, "imgcls_ready") == 1
    assert value(text, "imgcls_in_flight_requests") == 1
    assert 'imgcls_model_info{default="true",name="colours"' in text
    assert "process_resident_memory_bytes" in text


def test_openmetrics_is_given_to_whom_asks_for_it(service: RunningService) -> None:
    reply = service.client.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")


def test_each_request_is_one_log_line(start_service: StartService, picture_of: PictureOf) -> None:
    with start_service() as running:
        headers = {"content-type": "image/png", "x-request-id": "r-1"}
        image = picture_of("red")
        running.client.post("/predict", content=image, headers=headers)
        running.client.post("/predict", content=b"x", headers=headers | {"x-request-id": "r-2"})
    good, bad = (next(line for line in running.log if line.get("request_id") == name) for name in ("r-1", "r-2"))
    assert good["status"] == 200
    assert good["class_id"] == 0
    assert (good["image_bytes"], good["width_px"], good["height_px"]) == (len(image), 40, 30)
    assert {"decode_ms", "queue_ms", "inference_ms", "total_ms", "batch_size", "model_sha256"} <= set(good)
    assert (bad["status"], bad["code"]) == (400, "image_undecodable")
