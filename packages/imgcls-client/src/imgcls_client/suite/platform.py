"""Is the deployment set up well on its platform? Cerebrium is the one that is known."""

import time
from concurrent.futures import ThreadPoolExecutor

from imgcls_client.calls import predict_call
from imgcls_client.cerebrium.figures import failed_runs
from imgcls_client.cerebrium.rest import CerebriumApi
from imgcls_client.load.samples import percentile
from imgcls_client.suite.check import Check, CheckFailedError, CheckSkippedError, require
from imgcls_client.suite.deployment import Deployment, packaged_image
from imgcls_client.suite.robustness import describe

__all__ = ["CHECKS"]

GROUP = "platform"
DENIED = frozenset({401, 403})
WELL = frozenset({"ready", "active", "running", "cold"})
PARALLEL_CALLS = 32
# Above this share of failed runs something is wrong that single retries do not explain.
MOST_FAILED_SHARE = 0.05
ERROR_MARKS = ("Traceback (most recent call last)", '"level": "error"', '"level":"error"', "CRITICAL", "Killed")
POLL_S = 5.0


def on_platform(deployment: Deployment) -> None:
    """Skip where there is no known platform."""
    if not deployment.options.is_behind_router:
        raise CheckSkippedError("not on a platform that is known; --project and --app name one on Cerebrium")


def api_of(deployment: Deployment) -> CerebriumApi:
    """Give the platform's API, or skip."""
    on_platform(deployment)
    if deployment.platform is None:
        raise CheckSkippedError("no --platform-token (a service-account token) for the platform's API")
    return deployment.platform


def endpoint_private(deployment: Deployment) -> str:
    """Ask without the platform's token."""
    on_platform(deployment)
    with deployment.as_stranger(None) as stranger:
        answer = stranger.exchange(predict_call(packaged_image("picture.png")))
    require(
        answer.status in DENIED,
        f"a caller without a token is answered {describe(answer)}: the endpoint is public; "
        "set `disable_auth = false` in cerebrium.toml and deploy again",
    )
    return describe(answer)


def run_id(deployment: Deployment) -> str:
    """Look for the run id of two calls."""
    on_platform(deployment)
    ids = [deployment.exchange(predict_call(packaged_image("picture.png"))).request_id for _ in range(2)]
    require(all(ids), "answers have no x-request-id, so a run cannot be found in the platform's log")
    require(ids[0] != ids[1], f"two calls have the same run id {ids[0]}")
    return f"each call has its own run id, as {ids[0]}"


def app_status(deployment: Deployment) -> str:
    """Ask the platform how the app is."""
    state = api_of(deployment).state()
    require(state.status.lower() in WELL, f"the platform says {state.status!r}")
    return f"{state.status}, {state.min_replicas} to {state.max_replicas} replicas"


def replicas(deployment: Deployment) -> str:
    """Ask the platform for replicas and their restarts."""
    containers = api_of(deployment).containers()
    restarted = [container for container in containers if container.restarts]
    counts = ", ".join(f"{each.container_id} {each.restarts} ×" for each in restarted)
    require(not restarted, f"replicas were restarted: {counts}")
    return f"{len(containers)} replicas, none restarted"


def recent_runs(deployment: Deployment) -> str:
    """Ask the platform for recent runs."""
    runs = api_of(deployment).runs()
    if not runs:
        raise CheckSkippedError("the platform lists no runs")
    failed = failed_runs(runs)
    waits = [run.queue_ms for run in runs if run.queue_ms is not None]
    times = [run.runtime_ms for run in runs if run.runtime_ms is not None]
    figures = f"{len(runs)} runs, {len(failed)} failed"
    if waits and times:
        figures += f", p95 queue {percentile(waits, 95):.0f} ms, run {percentile(times, 95):.0f} ms"
    require(len(failed) <= MOST_FAILED_SHARE * len(runs), figures)
    return figures


def recent_errors(deployment: Deployment) -> str:
    """Read the platform's log for errors."""
    lines = api_of(deployment).log_lines()
    errors = [line for line in lines if any(mark in line for mark in ERROR_MARKS)]
    require(not errors, f"{len(errors)} errors among the last {len(lines)} lines: {errors[0][:160] if errors else ''}")
    return f"no error among the last {len(lines)} lines"


def parallel_spread(deployment: Deployment) -> str:
    """Send many calls at once and see which replicas ran them."""
    on_platform(deployment)
    call = predict_call(packaged_image("picture.png"))
    with ThreadPoolExecutor(PARALLEL_CALLS) as threads:
        answers = list(threads.map(deployment.exchange, [call] * PARALLEL_CALLS))
    failed = [describe(answer) for answer in answers if answer.status >= 400]
    require(not failed, f"{len(failed)} of {PARALLEL_CALLS} calls at once failed: {', '.join(sorted(set(failed)))}")
    if deployment.platform is None:
        return f"{PARALLEL_CALLS} calls at once answered"
    ours = {answer.request_id for answer in answers}
    used = {run.container_id for run in deployment.platform.runs() if run.run_id in ours and run.container_id}
    # Which replica ran a call is known once the platform has taken it down, which may be later.
    return f"{PARALLEL_CALLS} calls at once answered, by {len(used) or 'not yet known'} replicas"


def cold_start(deployment: Deployment) -> str:
    """Wait until no replica is left, then ask once."""
    on_platform(deployment)
    wait_s = deployment.options.cold_start_wait_s
    if wait_s is None:
        raise CheckSkippedError("takes minutes and money; --cold-start asks for it")
    api = api_of(deployment)
    least = api.state().min_replicas
    if least:
        raise CheckSkippedError(f"the app keeps {least} replicas, so it never starts from zero")
    ends = time.monotonic() + wait_s
    while any(not container.is_terminating for container in api.containers()):
        if time.monotonic() > ends:
            raise CheckFailedError(f"replicas are still there after {wait_s:g} s without calls (--cold-start-wait)")
        time.sleep(min(POLL_S, wait_s / 10))
    deployment.client.connection.last_answer_at = None
    answer = deployment.client.predict(packaged_image("picture.png"))
    return f"from zero replicas to the answer {answer.call_ms / 1000:.1f} s"


CHECKS: tuple[Check, ...] = (
    Check(GROUP, "endpoint_private", "Without the platform's token nothing is answered.", endpoint_private),
    Check(GROUP, "run_id", "Every call can be found in the platform's log.", run_id),
    Check(GROUP, "app_status", "The platform takes the app for healthy.", app_status),
    Check(GROUP, "replicas", "No replica had to be restarted.", replicas),
    Check(GROUP, "parallel_spread", "Calls at once are all answered, and by whom.", parallel_spread),
    Check(GROUP, "recent_runs", "Recent runs did not fail.", recent_runs),
    Check(GROUP, "recent_errors", "The platform's log has no errors.", recent_errors),
    Check(GROUP, "cold_start", "The app starts from zero replicas and answers.", cold_start),
)
