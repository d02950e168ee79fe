"""Is the deployment set up well on its platform? Cerebrium is the one that is known."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from imgcls_cerebrium.rest_api import CerebriumApi
from imgcls_sdk.calls import predict_call

from imgcls_client.load.samples import percentile
from imgcls_client.suite.check import CheckFailedError, CheckGroup, CheckSkippedError, require
from imgcls_client.suite.checks.robustness import describe
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("platform")
_DENIED = frozenset({401, 403})
_WELL = frozenset({"ready", "active", "running", "cold"})
_PARALLEL_CALLS = 32
# Above this share of failed runs something is wrong that single retries do not explain.
_MOST_FAILED_SHARE = 0.05
_ERROR_MARKS = ("Traceback (most recent call last)", '"level": "error"', '"level":"error"', "CRITICAL", "Killed")
POLL_S = 5.0


def _on_platform(deployment: Deployment) -> None:
    if not deployment.options.is_behind_router:
        raise CheckSkippedError("not on a platform that is known; --project and --app name one on Cerebrium")


def _api_of(deployment: Deployment) -> CerebriumApi:
    """Gives the platform's API, or skip."""
    _on_platform(deployment)
    if deployment.platform is None:
        raise CheckSkippedError("no --platform-token (a service-account token) for the platform's API")
    return deployment.platform


@GROUP.check("Without the platform's token nothing is answered.")
def _endpoint_private(deployment: Deployment) -> str:
    _on_platform(deployment)
    with deployment.as_anonymous(None) as anonymous:
        answer = anonymous.exchange(predict_call(packaged_image("image.png")))
    require(
        answer.status in _DENIED,
        f"a caller without a token is answered {describe(answer)}: the endpoint is public; "
        "set `disable_auth = false` in cerebrium.toml and deploy again",
    )
    return describe(answer)


@GROUP.check("Every call can be found in the platform's log.")
def _run_id(deployment: Deployment) -> str:
    _on_platform(deployment)
    ids = [deployment.exchange(predict_call(packaged_image("image.png"))).request_id for _ in range(2)]
    require(all(ids), "answers have no x-request-id, so a run cannot be found in the platform's log")
    require(ids[0] != ids[1], f"two calls have the same run id {ids[0]}")
    return f"each call has its own run id, as {ids[0]}"


@GROUP.check("The platform takes the app for healthy.")
def _app_status(deployment: Deployment) -> str:
    state = _api_of(deployment).state()
    require(state.status.lower() in _WELL, f"the platform says {state.status!r}")
    return f"{state.status}, {state.min_replicas} to {state.max_replicas} replicas"


@GROUP.check("No replica had to be restarted.")
def _replicas(deployment: Deployment) -> str:
    containers = _api_of(deployment).containers()
    restarted = [container for container in containers if container.restarts]
    counts = ", ".join(f"{each.container_id} {each.restarts} ×" for each in restarted)
    require(not restarted, f"replicas were restarted: {counts}")
    return f"{len(containers)} replicas, none restarted"


@GROUP.check("Recent runs did not fail.")
def _recent_runs(deployment: Deployment) -> str:
    runs = _api_of(deployment).runs()
    if not runs:
        raise CheckSkippedError("the platform lists no runs")
    failed = [run for run in runs if run.is_failed]
    waits = [run.queue_ms for run in runs if run.queue_ms is not None]
    times = [run.runtime_ms for run in runs if run.runtime_ms is not None]
    figures = f"{len(runs)} runs, {len(failed)} failed"
    if waits and times:
        figures += f", p95 queue {percentile(waits, 95):.0f} ms, run {percentile(times, 95):.0f} ms"
    require(len(failed) <= _MOST_FAILED_SHARE * len(runs), figures)
    return figures


@GROUP.check("The platform's log has no errors.")
def _recent_errors(deployment: Deployment) -> str:
    lines = _api_of(deployment).log_lines()
    errors = [line for line in lines if any(mark in line for mark in _ERROR_MARKS)]
    require(not errors, f"{len(errors)} errors among the last {len(lines)} lines: {errors[0][:160] if errors else ''}")
    return f"no error among the last {len(lines)} lines"


@GROUP.check("Calls at once are all answered, and by whom.")
def _parallel_spread(deployment: Deployment) -> str:
    _on_platform(deployment)
    call = predict_call(packaged_image("image.png"))
    with ThreadPoolExecutor(_PARALLEL_CALLS) as threads:
        answers = list(threads.map(deployment.exchange, [call] * _PARALLEL_CALLS))
    failed = [describe(answer) for answer in answers if answer.status >= 400]
    require(not failed, f"{len(failed)} of {_PARALLEL_CALLS} calls at once failed: {', '.join(sorted(set(failed)))}")
    if deployment.platform is None:
        return f"{_PARALLEL_CALLS} calls at once answered"
    ours = {answer.request_id for answer in answers}
    used = {run.container_id for run in deployment.platform.runs() if run.run_id in ours and run.container_id}
    # Which replica ran a call is known once the platform has taken it down, which may be later.
    return f"{_PARALLEL_CALLS} calls at once answered, by {len(used) or 'not yet known'} replicas"


@GROUP.check("The app starts from zero replicas and answers.")
def _cold_start(deployment: Deployment) -> str:
    """Waits until no replica is left, then ask once."""
    _on_platform(deployment)
    wait_s = deployment.options.cold_start_wait_s
    if wait_s is None:
        raise CheckSkippedError("takes minutes and money; --cold-start asks for it")
    api = _api_of(deployment)
    least = api.state().min_replicas
    if least:
        raise CheckSkippedError(f"the app keeps {least} replicas, so it never starts from zero")
    ends = time.monotonic() + wait_s
    while any(not container.is_terminating for container in api.containers()):
        if time.monotonic() > ends:
            raise CheckFailedError(f"replicas are still there after {wait_s:g} s without calls (--cold-start-wait)")
        time.sleep(min(POLL_S, wait_s / 10))
    deployment.client.connection.last_answer_at = None
    answer = deployment.client.predict(packaged_image("image.png"))
    return f"from zero replicas to the answer {answer.call_ms / 1000:.1f} s"
