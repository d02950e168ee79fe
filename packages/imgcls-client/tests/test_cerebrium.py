"""Cerebrium as the platform, against a stand-in that speaks what its documentation and its own client record."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Refusal, Request, Run, Serve, StandIn

    Deploy = Callable[..., "Deployed"]

TOKEN = "platform-token-1"  # noqa: S105 - of the stand-in
PREFIX = "/v4/p-12345678/classifier"
REST = "/v2/projects/p-12345678/apps/p-12345678-classifier"


@dataclass
class Cerebrium:
    """Router and REST API of the platform before a stand-in: it takes the token, sets run ids, and counts runs."""

    refusal: type[Refusal]
    is_public: bool = False
    status: str = "ready"
    restarts: str = "0"
    failing_runs: int = 0
    log: tuple[str, ...] = ("INFO started",)
    polls_until_cold: int | None = None
    min_replicas: str = "0"
    numbers: count[int] = field(default_factory=count)
    runs: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    polls: int = 0

    def route(self, _service: StandIn, request: Request) -> Request | dict[str, object]:
        authorised = request.headers.get("authorization") == f"Bearer {TOKEN}"
        if request.path.startswith(REST):
            if not authorised:
                raise self.refusal(401, "", "Unauthorized")
            return self.rest(request.path.removeprefix(REST))
        if not request.path.startswith(PREFIX):
            raise self.refusal(404, "", "no such app")
        if not authorised and not self.is_public:
            raise self.refusal(401, "", "Unauthorized")
        run_id = f"run-{next(self.numbers)}"
        self.runs.append({"runId": run_id, "statusCode": 200, "containerId": f"c-{len(self.runs) % 2}"})
        headers = {**request.headers, "x-request-id": run_id}
        return replace(request, path=request.path.removeprefix(PREFIX), headers=headers)

    def rest(self, path: str) -> dict[str, object]:
        if path == "/containers":
            self.polls += 1
            is_cold = self.polls_until_cold is not None and self.polls > self.polls_until_cold
            running = {"containerId": "c-0", "containerState": "running", "containerRestartCount": self.restarts}
            return {"items": [] if is_cold else [running]}
        if path == "/runs":
            times = {"queueTimeMs": "3.5", "runtimeMs": 20, "responseTimeMs": 25}
            failed = [{"runId": "x", "statusCode": 502}] * self.failing_runs
            return {"items": [*({**run, **times} for run in self.runs), *failed], "nextToken": None}
        if path == "/logs":
            return {"logs": [{"log": line} for line in self.log]}
        return {"status": self.status, "minReplicaCount": self.min_replicas, "maxReplicaCount": "3"}


@dataclass(frozen=True)
class Deployed:
    platform: Cerebrium
    service: StandIn
    config: Path


@pytest.fixture
def deploy(serve: Serve, refusal: type[Refusal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start a service behind the platform's stand-in; settings lead every command there."""

    def start(api_key: str | None = None, **differences: Any) -> Deployed:
        platform = Cerebrium(refusal, **differences)
        service = serve(router=platform.route, api_key_header="x-api-key", api_key=api_key)
        monkeypatch.setenv("IMGCLS_PLATFORM_URL", service.url)
        monkeypatch.setenv("IMGCLS_PLATFORM_REST_URL", service.url)
        return Deployed(platform, service, tmp_path)

    return start


APP = ("--project", "p-12345678", "--app", "classifier")
SHORT = ("--load-time", 0.3, "--max-latency", "5s")


def failed_tests(run: Run, *arguments: object) -> set[str]:
    document = json.loads(run("suite", *APP, "--json", *arguments).stdout)
    return {test["name"] for test in document["tests"] if test["outcome"] == "failed"}


def test_project_and_app_make_the_address_and_the_token_opens_it(
    run: Run, deploy: Deploy, image: bytes, tmp_path: Path
) -> None:
    deployed = deploy()
    (tmp_path / "a.png").write_bytes(image)
    ended = run("predict", *APP, "--platform-token", TOKEN, "--quiet", tmp_path / "a.png")
    assert ended.exit_code == 0
    assert deployed.service.requests[0].path == "/v4/p-12345678/classifier/predict"


def test_the_token_of_the_platforms_own_client_is_taken_from_the_environment(
    run: Run, deploy: Deploy, image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy()
    monkeypatch.setenv("CEREBRIUM_SERVICE_ACCOUNT_TOKEN", TOKEN)
    (tmp_path / "a.png").write_bytes(image)
    assert run("predict", *APP, tmp_path / "a.png").exit_code == 0


def test_the_token_goes_to_no_other_host(
    run: Run, service: StandIn, image: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEREBRIUM_SERVICE_ACCOUNT_TOKEN", TOKEN)
    (tmp_path / "a.png").write_bytes(image)
    run("predict", "--url", service.url, tmp_path / "a.png")
    assert "authorization" not in service.requests[0].headers


def test_the_services_own_key_goes_beside_the_platforms_token(
    run: Run, deploy: Deploy, image: bytes, tmp_path: Path
) -> None:
    deploy(api_key="own-key")
    (tmp_path / "a.png").write_bytes(image)
    arguments = ("predict", *APP, "--platform-token", TOKEN, tmp_path / "a.png")
    assert run(*arguments, "--api-key", "own-key").exit_code == 0
    assert run(*arguments, "--api-key", "other").exit_code == 4


def test_the_whole_suite_passes_on_the_platform(run: Run, deploy: Deploy) -> None:
    deploy()
    assert failed_tests(run, "--platform-token", TOKEN, *SHORT) == set()


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ({"is_public": True}, {"endpoint_private"}),
        ({"status": "build_error"}, {"app_status"}),
        ({"restarts": "4"}, {"replicas"}),
        ({"failing_runs": 30}, {"recent_runs"}),
        ({"log": ("INFO x", "Traceback (most recent call last)")}, {"recent_errors"}),
    ],
    ids=["public", "broken app", "restarting replicas", "failing runs", "errors in the log"],
)
def test_a_badly_set_up_app_fails_exactly_its_test(
    run: Run, deploy: Deploy, differences: dict[str, Any], expected: set[str]
) -> None:
    deploy(**differences)
    assert failed_tests(run, "--platform-token", TOKEN, "--only", "platform") == expected


def test_parallel_calls_name_the_replicas_that_ran_them(run: Run, deploy: Deploy) -> None:
    deploy()
    document = json.loads(run("suite", *APP, "--platform-token", TOKEN, "--only", "parallel_spread", "--json").stdout)
    assert "by 2 replicas" in document["tests"][0]["detail"]


def test_a_cold_start_waits_for_scale_down_and_measures_the_start(
    run: Run, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcls_client.suite.checks.platform.POLL_S", 0.01)
    deployed = deploy(polls_until_cold=3)
    arguments = ("suite", *APP, "--platform-token", TOKEN, "--only", "cold_start", "--json")
    assert json.loads(run(*arguments).stdout)["tests"][0]["outcome"] == "skipped"
    test = json.loads(run(*arguments, "--cold-start").stdout)["tests"][0]
    assert test["outcome"] == "passed"
    assert "from zero replicas to the answer" in test["detail"]
    assert deployed.platform.polls == 4


def test_an_app_that_is_never_cold_fails_the_cold_start_in_time(
    run: Run, deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgcls_client.suite.checks.platform.POLL_S", 0.01)
    deploy()
    arguments = ("--platform-token", TOKEN, "--only", "cold_start", "--cold-start", "--cold-start-wait", "0.1s")
    assert failed_tests(run, *arguments) == {"cold_start"}


def test_an_app_that_keeps_replicas_has_no_cold_start(run: Run, deploy: Deploy) -> None:
    deploy(min_replicas="1")
    arguments = ("--platform-token", TOKEN, "--only", "cold_start", "--cold-start", "--json")
    assert "keeps 1 replicas" in json.loads(run("suite", *APP, *arguments).stdout)["tests"][0]["detail"]


def test_the_monitor_keeps_the_platforms_figures(run: Run, deploy: Deploy, tmp_path: Path) -> None:
    deploy()
    arguments = ("monitor", *APP, "--platform-token", TOKEN, "--database", tmp_path / "m.sqlite", "--json")
    run(*arguments)
    figures = json.loads(run(*arguments).stdout)["platform"]
    assert figures["replicas"] == 1
    assert figures["queue_ms_p95"] == 3.5
    run("monitor", "report", *APP, "--database", tmp_path / "m.sqlite", "--html", tmp_path / "r.html")
    assert "queue_ms_p95" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_token_appears_in_no_output_and_no_report(run: Run, deploy: Deploy, tmp_path: Path) -> None:
    deploy(is_public=True)
    files = ("--html", tmp_path / "s.html", "--junit", tmp_path / "s.xml")
    suite = run("suite", *APP, "--platform-token", TOKEN, "--only", "platform", "--only", "security", *files)
    shown = run("config", "show", *APP, "--platform-token", TOKEN)
    written = [path.read_text(encoding="utf-8") for path in tmp_path.glob("s.*")]
    for text in (suite.stdout, suite.stderr, shown.stdout, shown.stderr, *written):
        assert TOKEN not in text
