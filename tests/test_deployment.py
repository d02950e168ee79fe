"""What `imgcls-deploy` assumes of the service, which it does not know, is what the service does."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import httpx
from imgcls_cerebrium.cross_checks import GPU_BATCH
from imgcls_serve.app import create_app
from imgcls_serve.scheduler.layout import WIDE_MAX_BATCH
from imgcls_serve.service import Service
from imgcls_serve.settings import Settings


def test_the_batch_that_the_check_assumes_is_the_services() -> None:
    assert GPU_BATCH == WIDE_MAX_BATCH


def test_the_endpoints_that_the_platform_asks_are_there(root: Path) -> None:
    custom = tomllib.loads((root / "cerebrium.toml").read_text())["cerebrium"]["runtime"]["custom"]
    app = create_app(Service(Settings(model=root / "none.onnx")))

    async def described() -> set[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
            return set((await client.get("/openapi.json")).json()["paths"])

    assert {custom["healthcheck_endpoint"], custom["readycheck_endpoint"]} <= asyncio.run(described())
