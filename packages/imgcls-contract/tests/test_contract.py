from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import imgcls_contract as contract
import msgspec
import pytest

CLASS = {"class_id": 0, "label": "tench", "probability": 0.75}
MODEL = {"name": "m", "sha256": "ab"}
STAGES = {"decode": 1.0, "queue": 2.0, "inference": 3.0}
ANSWER: dict[str, Any] = {**CLASS, "top": [CLASS], "timing_ms": STAGES, "batch_size": 1}
PREDICTION: dict[str, Any] = {
    **CLASS,
    "top": [CLASS],
    "model": MODEL,
    "timing_ms": {**STAGES, "total": 7.0},
    "batch_size": 1,
    "request_id": "r",
}


def _bytes(document: object) -> bytes:
    return json.dumps(document).encode()


def test_an_answer_is_written_as_it_was_read() -> None:
    answer = msgspec.json.decode(_bytes(PREDICTION), type=contract.Prediction)
    assert (answer.label, answer.model.name, answer.timing_ms.total) == ("tench", "m", 7.0)
    assert list(json.loads(msgspec.json.encode(answer)).items()) == list(PREDICTION.items())


def test_fields_of_a_newer_service_are_ignored() -> None:
    newer = {**PREDICTION, "mood": "good", "model": {**MODEL, "born": 2030}}
    assert msgspec.json.decode(_bytes(newer), type=contract.Prediction).model == contract.ModelId("m", "ab")


@pytest.mark.parametrize(
    ("change", "named"),
    [({"probability": 1.5}, "probability"), ({"class_id": -1}, "class_id"), ({"model": None}, "model")],
)
def test_a_wrong_field_is_named(change: dict[str, object], named: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=named):
        msgspec.json.decode(_bytes({**PREDICTION, **change}), type=contract.Prediction)


def test_a_batch_holds_answers_and_failed_images_in_their_places() -> None:
    fault = {"type": "urn:x", "title": "t", "status": 400, "detail": "d", "code": "image_undecodable"}
    body = {"results": [ANSWER, {"error": fault}], "model": MODEL, "total_ms": 1.0, "request_id": "r"}
    reply = contract.decode_batch(_bytes(body))
    good, bad = reply.results
    assert isinstance(good, contract.ImageAnswer)
    assert isinstance(bad, contract.FailedImage)
    assert (good.label, bad.error.code) == ("tench", "image_undecodable")
    assert json.loads(msgspec.json.encode(reply)) == body
    with pytest.raises(msgspec.ValidationError, match="object"):
        contract.decode_batch(_bytes({**body, "results": [3]}))


def test_every_problem_stands_in_the_table_once() -> None:
    problem = contract.PROBLEMS["headers_too_large"]
    document = contract.ProblemDocument.of(problem, "Too much.", "r")
    assert json.loads(msgspec.json.encode(document)) == {
        "type": "urn:imgcls:problem:headers_too_large",
        "title": "The headers are too large",
        "status": 431,
        "detail": "Too much.",
        "code": "headers_too_large",
        "request_id": "r",
    }
    for code, one in contract.PROBLEMS.items():
        assert one.code == code
        assert 400 <= one.status <= 599
        assert one.title
        assert one.meaning.endswith(".")


def test_the_schemas_of_all_replies_refer_to_each_other() -> None:
    components = contract.schema_components()
    results = components["BatchReply"]["properties"]["results"]["items"]["anyOf"]
    assert [one["$ref"].rsplit("/")[-1] for one in results] == ["ImageAnswer", "FailedImage"]
    for reference in _references(components):
        assert reference.removeprefix("#/components/schemas/") in components
    whole = components["Prediction"]["properties"]
    assert "top_k" in whole["top"]["description"]
    assert whole["batch_size"]["minimum"] == 1
    assert "probabilities" not in components["Prediction"]["required"]


def _references(components: dict[str, Any]) -> set[str]:
    return set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(components)))


def test_importing_it_imports_msgspec_and_the_standard_library_alone() -> None:
    code = "import sys, imgcls_contract; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {"numpy", "pydantic", "httpx", "click", "PIL"}.isdisjoint(loaded)
