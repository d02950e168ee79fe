"""`imgcls-client monitor` over a service that comes, goes, errs and changes."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Refusal, Request, Run, Serve, StandIn

    Watch = Callable[..., Any]


@pytest.fixture
def watch(run: Run, tmp_path: Path) -> Watch:
    """Make one pass over a deployment and give its JSON document with `exit_code`."""

    def start(url: str, *arguments: object) -> Any:
        ended = run("monitor", "--url", url, "--database", tmp_path / "m.sqlite", "--json", *arguments)
        return {**json.loads(ended.stdout.splitlines()[-1]), "exit_code": ended.exit_code, "stderr": ended.stderr}

    return start


def test_a_pass_over_a_healthy_service_keeps_every_rule(watch: Watch, service: StandIn) -> None:
    seen = watch(service.url)
    assert (seen["exit_code"], seen["ok"], seen["broken"]) == (0, True, {})
    assert seen["figures"]["golden_right"] == 1
    assert seen["figures"]["call_ms_p95"] > 0
    assert seen["figures"]["inference_ms_p50"] == 0.2


def test_the_line_of_a_pass_is_broken_between_its_parts_where_the_terminal_ends(
    run: Run, service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = ("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite", "--model-sha256", "abc")
    monkeypatch.setenv("COLUMNS", "80")
    lines = run(*watch).stdout.splitlines()
    assert [line for line in lines[:-1] if len(line) > 80] == []
    assert len(lines) > 2
    monkeypatch.delenv("COLUMNS")
    assert len(run(*watch).stdout.splitlines()) == 1


def test_passes_are_made_as_often_and_as_long_as_asked(run: Run, service: StandIn, tmp_path: Path) -> None:
    arguments = ("--every", "0.2s", "--for", "0.5s", "--database", tmp_path / "m.sqlite", "--json")
    ended = run("monitor", "--url", service.url, *arguments)
    assert len(ended.stdout.splitlines()) == 3


def test_a_service_that_is_gone_breaks_availability_and_nothing_else(watch: Watch, free_port: int) -> None:
    seen = watch(f"http://127.0.0.1:{free_port}")
    assert seen["exit_code"] == 3
    assert list(seen["broken"]) == ["available"]
    assert "connection refused" in seen["broken"]["available"]


def test_a_service_that_is_loading_is_available_and_not_ready(watch: Watch, serve: Serve) -> None:
    seen = watch(serve(is_ready=False).url)
    assert seen["broken"] == {"ready": "The model is still loading."}


def test_wrong_answers_break_the_golden_rule(watch: Watch, serve: Serve) -> None:
    seen = watch(serve(mean=0.4).url)
    assert list(seen["broken"]) == ["golden"]
    assert "golden cases are wrong" in seen["broken"]["golden"]


def test_failing_calls_are_named_by_kind(watch: Watch, serve: Serve, refusal: type[Refusal]) -> None:
    def refuse_images(_service: StandIn, request: Request) -> None:
        if request.path == "/predict":
            raise refusal(503, "queue_full", "full")

    assert watch(serve(answer_before=refuse_images).url)["broken"] == {"calls": "4 of 4 calls failed: queue_full"}


def test_a_limit_of_latency_and_another_model_are_rules(watch: Watch, service: StandIn) -> None:
    seen = watch(service.url, "--max-latency", 0, "--model-sha256", "abc")
    assert set(seen["broken"]) == {"latency", "model"}
    assert watch(service.url, "--model-sha256", "5555")["ok"]


def test_an_alert_goes_out_once_when_a_rule_breaks_and_once_when_it_recovers(
    watch: Watch, serve: Serve, hook: Callable[[], Hook]
) -> None:
    service, address = serve(), hook()
    service.faults.is_ready = False
    for _ in range(3):
        watch(service.url, "--webhook", address.url)
    service.faults.is_ready = True
    watch(service.url, "--webhook", address.url)
    last = watch(service.url, "--webhook", address.url)
    assert [(alert["rule"], alert["state"]) for alert in address.received] == [
        ("ready", "broken"),
        ("ready", "recovered"),
    ]
    assert "The model is still loading." in address.received[0]["text"]
    assert last["exit_code"] == 0


def test_an_alert_waits_for_as_many_bad_passes_as_asked(watch: Watch, serve: Serve, hook: Callable[[], Hook]) -> None:
    service, address = serve(is_ready=False), hook()
    counts: list[int] = []
    for _ in range(3):
        watch(service.url, "--webhook", address.url, "--alert-after", 3)
        counts.append(len(address.received))
    assert counts == [0, 0, 1]


def test_an_alert_command_gets_the_document_on_standard_input(watch: Watch, serve: Serve, tmp_path: Path) -> None:
    script = tmp_path / "alert.py"
    script.write_text("import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())", encoding="utf-8")
    told = tmp_path / "told.json"
    watch(serve(is_ready=False).url, "--alert-command", f"{sys.executable} {script} {told}")
    assert json.loads(told.read_text(encoding="utf-8"))["state"] == "broken"


def test_a_webhook_that_fails_is_said_without_its_address_and_the_watch_goes_on(
    watch: Watch, serve: Serve, free_port: int
) -> None:
    seen = watch(serve(is_ready=False).url, "--webhook", f"http://127.0.0.1:{free_port}/secret-path")
    assert "the webhook could not be reached" in seen["stderr"]
    assert "secret-path" not in seen["stderr"]


def test_prometheus_gets_the_last_pass_in_its_text_format(watch: Watch, service: StandIn, tmp_path: Path) -> None:
    watch(service.url, "--prometheus", tmp_path / "imgcls.prom")
    text = (tmp_path / "imgcls.prom").read_text(encoding="utf-8")
    assert f'imgcls_monitor_up{{url="{service.url}"}} 1' in text
    assert f'imgcls_monitor_rule_broken{{url="{service.url}",rule="golden"}} 0' in text
    assert "imgcls_monitor_last_good_pass_timestamp_seconds" in text
    assert text.count("# TYPE") == text.count("# HELP")


def test_wandb_gets_the_figures_where_it_is_installed(
    watch: Watch, service: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the package at the edge of the process; the real one is not a dependency."""
    logged: list[dict[str, float]] = []
    ended: list[bool] = []
    run_of_wandb = SimpleNamespace(log=logged.append, finish=lambda: ended.append(True))

    def init(project: str, config: dict[str, str]) -> SimpleNamespace:
        assert (project, config) == ("imgcls-monitor", {"url": service.url})
        return run_of_wandb

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    watch(service.url, "--wandb")
    assert logged[0]["golden_right"] == 1
    assert ended == [True]


def test_wandb_that_is_not_installed_is_a_usage_error(
    run: Run, service: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    ended = run("monitor", "--url", service.url, "--database", tmp_path / "m.sqlite", "--wandb")
    assert ended.exit_code == 2
    assert "pip install wandb" in ended.stderr


@pytest.mark.parametrize("content", ["", "no database at all, but long enough to be taken for the header of one" * 10])
def test_a_file_that_is_no_database_of_ours_is_left_alone(
    run: Run, service: StandIn, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "precious.sqlite"
    if content:
        path.write_text(content, encoding="utf-8")
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE precious (id)")
        other.close()
    before = path.read_bytes()
    ended = run("monitor", "--url", service.url, "--database", path)
    assert ended.exit_code == 2
    assert str(path) in ended.stderr
    assert path.read_bytes() == before


def test_a_length_of_time_that_is_none_is_a_usage_error(run: Run, service: StandIn) -> None:
    ended = run("monitor", "--url", service.url, "--every", "soon")
    assert ended.exit_code == 2
    assert "write it as 60s, 5m, 1.5h or 7d" in ended.stderr


class Hook:
    """A webhook that remembers what it was told."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_POST(self) -> None:
                hook.received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hook() -> Iterator[Callable[[], Hook]]:
    """Start a webhook."""
    running: list[Hook] = []

    def start() -> Hook:
        running.append(Hook())
        return running[-1]

    yield start
    for server in running:
        server.close()
