from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from imgcls_serve.errors import ForbiddenError, UnauthorizedError
from imgcls_serve.http.security import Gatekeeper

if TYPE_CHECKING:
    from conftest import PictureOf, StartService

KEY = "caller-key-1"


def test_with_keys_every_route_that_tells_something_needs_one(
    start_service: StartService, picture_of: PictureOf
) -> None:
    with start_service(api_keys=f"{KEY}, caller-key-2", admin_token="admin-token-1") as running:  # noqa: S106
        get, post = running.client.get, running.client.post
        image, png = picture_of("red"), {"content-type": "image/png"}
        for path in ("/health", "/ready", "/v2/health/live", "/v2/health/ready"):
            assert get(path).status_code in {200, 404}
        for path in ("/golden", "/models", "/metrics", "/nothing"):
            assert (get(path).status_code, get(path).json()["code"]) == (401, "unauthorized")
            assert get(path, headers={"x-api-key": "wrong"}).json()["code"] == "forbidden"
        assert post("/predict", content=image, headers=png).status_code == 401
        for credentials in (
            {"x-api-key": KEY},
            {"authorization": f"Bearer {KEY}"},
            {"authorization": "bearer caller-key-2"},
            {"x-api-key": "admin-token-1"},
        ):
            assert post("/predict", content=image, headers=png | credentials).status_code == 200
        assert post("/models/colours/load", headers={"x-api-key": KEY}).status_code == 403
        log = "".join(map(str, running.log))
        assert KEY not in log
        assert "admin-token-1" not in log


def test_without_keys_nothing_is_asked_of_callers() -> None:
    Gatekeeper(api_keys=[], admin_token=None).check("/predict", {})


@pytest.mark.parametrize("value", [b"Basic abc", b"Bearer", b"Bearer ", b""])
def test_another_kind_of_authorization_is_no_key(value: bytes) -> None:
    gatekeeper = Gatekeeper(api_keys=[KEY], admin_token=None)
    with pytest.raises(UnauthorizedError):
        gatekeeper.check("/predict", {b"authorization": value})


@pytest.mark.parametrize("key", ["", "caller-key", "caller-key-12", "CALLER-KEY-1", "ü"])
def test_what_only_looks_like_the_key_is_refused(key: str) -> None:
    gatekeeper = Gatekeeper(api_keys=[KEY], admin_token=None)
    with pytest.raises(ForbiddenError):
        gatekeeper.check("/predict", {b"x-api-key": key.encode()})


def test_a_stranger_is_told_that_it_lives_and_nothing_of_the_model(start_service: StartService) -> None:
    with start_service(api_keys="key-number-1") as running:
        get = running.client.get
        for headers in ({}, {"x-api-key": "another-key"}):
            health, ready = get("/health", headers=headers).json(), get("/ready", headers=headers).json()
            assert (health["status"], health["model"], health["provider"], health["versions"]) == ("ok", None, None, {})
            assert ready == {"ready": True, "model": None, "provider": None}
        known = {"x-api-key": "key-number-1"}
        assert get("/health", headers=known).json()["model"]["name"] == "colours"
        assert get("/ready", headers=known).json()["model"]["name"] == "colours"
