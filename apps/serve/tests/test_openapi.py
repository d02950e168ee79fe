"""The committed contract is the one that is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgcls_serve.app import openapi
from imgcls_serve.problems import PROBLEMS
from imgcls_serve.schemas import BatchReply, PredictReply, ReadyReply
from imgcls_serve.settings import settings_table

if TYPE_CHECKING:
    from conftest import RunningService

MEMBER = Path(__file__).parents[1]


def test_the_committed_document_is_the_served_one(service: RunningService) -> None:
    """`imgcls-serve --openapi > apps/serve/openapi.json` writes it anew."""
    committed = json.loads((MEMBER / "openapi.json").read_text(encoding="utf-8"))
    assert committed == openapi() == service.client.get("/openapi.json").json()


def test_the_examples_are_what_the_schemas_say() -> None:
    paths = openapi()["paths"]

    def example(path: str, method: str) -> Any:
        return paths[path][method]["responses"]["200"]["content"]["application/json"]["example"]

    PredictReply.model_validate(example("/predict", "post"))
    BatchReply.model_validate(example("/predict/batch", "post"))
    ReadyReply.model_validate(example("/ready", "get"))


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = openapi()
    text = json.dumps(document)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in document["components"]["schemas"]


def test_every_problem_code_is_used_once_for_one_status() -> None:
    by_code: dict[str, set[int]] = {}
    for problem in PROBLEMS.values():
        by_code.setdefault(problem.code, set()).add(problem.status)
    assert all(len(statuses) == 1 for statuses in by_code.values())


def test_the_committed_settings_are_the_real_ones() -> None:
    """`imgcls-serve --settings` prints the table."""
    assert settings_table() in (MEMBER / "SETTINGS.md").read_text(encoding="utf-8")
