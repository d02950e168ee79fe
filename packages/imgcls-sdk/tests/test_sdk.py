"""What holds without a service: names, addresses, what is tried again."""

from __future__ import annotations

import imgcls_sdk
import pytest
from imgcls_sdk import ImgclsClient, RetryPolicy, SettingsError, UnavailableError, UnreachableError


def test_every_public_name_exists() -> None:
    assert [name for name in imgcls_sdk.__all__ if not hasattr(imgcls_sdk, name)] == []
    with pytest.raises(AttributeError):
        imgcls_sdk.Nothing  # noqa: B018 - asks


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("localhost:8192", "http://localhost:8192"),
        ("https://host/v4/p-1/app/", "https://host/v4/p-1/app"),
        (" 127.0.0.1:8192/ ", "http://127.0.0.1:8192"),
    ],
)
def test_an_address_is_taken_as_people_write_it(given: str, meant: str) -> None:
    with ImgclsClient(given) as client:
        assert client.connection.url == meant


@pytest.mark.parametrize("given", ["", "http://", "ftp://host", "a host", "http://host/predict", "host/predict/batch"])
def test_an_address_that_cannot_be_meant_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="The address"):
        ImgclsClient(given)


def test_a_wait_that_was_asked_for_is_kept_and_a_long_one_is_none() -> None:
    policy = RetryPolicy(attempts=2, base_s=0.001)
    assert policy.delay_s(2, UnreachableError("http://x", "gone")) is None
    for asked_s, is_kept in ((7.0, True), (3600.0, False)):
        full = UnavailableError(status=503, code="queue_full", detail="full", retry_after_s=asked_s)
        delay_s = policy.delay_s(1, full)
        assert (delay_s is not None and delay_s >= asked_s) is is_kept
