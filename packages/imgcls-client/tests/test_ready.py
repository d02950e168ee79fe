"""`imgcls-client ready`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest
    from conftest import Request, Run, Serve, StandIn


def test_a_ready_service_is_named_with_its_model(run: Run, service: StandIn) -> None:
    ended = run("ready", "--url", service.url)
    assert ended.exit_code == 0
    assert ended.stdout == "ready  stand-in  sha256 555555555555  on cpu\n"


def test_a_service_that_is_loading_says_why_and_ends_with_1(run: Run, serve: Serve) -> None:
    url = serve(is_ready=False).url
    ended = run("ready", "--url", url)
    assert ended.exit_code == 1
    assert "The model is still loading." in ended.stdout
    document = json.loads(run("ready", "--url", url, "--json").stdout)
    assert (document["ready"], document["model"]["name"]) == (False, "stand-in")


def test_a_service_that_is_not_there_ends_with_3(run: Run, free_port: int) -> None:
    assert run("ready", "--url", f"http://127.0.0.1:{free_port}").exit_code == 3


def test_waiting_ends_as_soon_as_the_service_is_ready(run: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcls_sdk.readiness.POLL_S", 0.01)

    def become_ready(service: StandIn, _request: Request) -> None:
        service.faults.is_ready = len(service.requests) >= 4

    service = serve(is_ready=False, answer_before=become_ready)
    assert run("ready", "--url", service.url, "--wait", "30s").exit_code == 0
    assert service.paths() == ["/ready"] * 4 + ["/health"]


def test_waiting_ends_when_the_time_is_over(
    run: Run, serve: Serve, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcls_sdk.readiness.POLL_S", 0.01)
    assert run("ready", "--url", serve(is_ready=False).url, "--wait", "0.05s").exit_code == 1
    assert run("ready", "--url", f"http://127.0.0.1:{free_port}", "--wait", "0.05s").exit_code == 3


def test_waiting_asks_a_last_time_when_the_time_is_over_and_not_a_pause_before(
    run: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcls_sdk.readiness.POLL_S", 60)
    service = serve(is_ready=False)
    assert run("ready", "--url", service.url, "--wait", "0.05s").exit_code == 1
    assert service.paths().count("/ready") == 2
