"""The committed contract is the one that is served."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from imgcls_contract import Prediction, ReadyReply, decode_batch
from imgcls_serve.app import openapi
from imgcls_serve.settings_table import settings_table

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

    assert msgspec.convert(example("/predict", "post"), Prediction).top
    assert len(decode_batch(msgspec.json.encode(example("/predict/batch", "post"))).results) == 2
    assert msgspec.convert(example("/ready", "get"), ReadyReply).ready


def test_every_reference_in_the_document_leads_somewhere() -> None:
    document = openapi()
    text = json.dumps(document)
    for part in text.split('"#/components/schemas/')[1:]:
        assert part.split('"')[0] in document["components"]["schemas"]


def test_the_committed_settings_are_the_real_ones() -> None:
    """`imgcls-serve --settings` prints the table."""
    assert settings_table() in (MEMBER / "SETTINGS.md").read_text(encoding="utf-8")
