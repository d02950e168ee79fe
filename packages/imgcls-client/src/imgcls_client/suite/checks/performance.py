"""Is the deployment fast enough, alone and under load?"""

from __future__ import annotations

from imgcls_sdk.calls import Call, batch_call, predict_call

from imgcls_client.load.generator import LoadPlan, LoadRun
from imgcls_client.load.samples import Load
from imgcls_client.suite.check import CheckGroup, CheckSkippedError, require
from imgcls_client.suite.checks.protocol import described_routes
from imgcls_client.suite.deployment import Deployment

GROUP = CheckGroup("performance")
# Half of what the service reached with all callers busy leaves it room, so that waiting means trouble.
_SUSTAINED_SHARE = 0.5
_BATCH_IMAGES = 8


def _load(deployment: Deployment, plan: LoadPlan) -> Load:
    calls = [predict_call(image) for image in deployment.images]
    return LoadRun(deployment.direct.connection, calls, plan).run()


def _require_fast(deployment: Deployment, found: Load) -> str:
    """Requires that nothing failed and that the slowest of a hundred calls is within the limit."""
    require(not found.errors, f"of {len(found.samples)} calls failed: {_kinds(found)}")
    p50, p95, p99 = (found.latency_ms(percent) or 0.0 for percent in (50, 95, 99))
    rate = f"{len(found.samples)} calls, {found.answers_a_second:.1f} a second"
    figures = f"{rate}, p50/p95/p99 {p50:.0f}/{p95:.0f}/{p99:.0f} ms"
    limit_ms = deployment.options.max_latency_s * 1000
    require(p99 <= limit_ms, f"{figures}; p99 is above the limit of {limit_ms:.0f} ms (--max-latency)")
    return f"{figures}; this client is the limit" if found.is_limited_by_client else figures


def _kinds(found: Load) -> str:
    return ", ".join(f"{count} × {kind}" for kind, count in found.errors.items())


@GROUP.check("The first image is answered, however cold the service was.")
def _first_call(deployment: Deployment) -> str:
    return f"the first image took {deployment.first_call_ms:.0f} ms"


@GROUP.check("One caller is answered in time.")
def _warm_latency(deployment: Deployment) -> str:
    return _require_fast(deployment, _load(deployment, LoadPlan(concurrency=1, duration_s=deployment.options.load_s)))


@GROUP.check("Many callers at once are all answered in time.")
def _parallel_load(deployment: Deployment) -> str:
    options = deployment.options
    return _require_fast(deployment, _load(deployment, LoadPlan(options.concurrency, options.load_s)))


@GROUP.check("Half of the top rate is answered in time for as long as it lasts.")
def _sustained_rate(deployment: Deployment) -> str:
    """Asks at even times, at half of what the service can do, whether or not it keeps up."""
    options = deployment.options
    most = _load(deployment, LoadPlan(options.concurrency, options.load_s / 3))
    rate = most.answers_a_second * _SUSTAINED_SHARE
    require(rate > 0, f"nothing is answered: {_kinds(most)}")
    found = _load(deployment, LoadPlan(4 * options.concurrency, options.load_s, rate=rate))
    return f"sent {rate:.0f} a second; {_require_fast(deployment, found)}"


@GROUP.check("Several images in one request are answered.")
def _batch_against_single(deployment: Deployment) -> str:
    if "/predict/batch" not in described_routes(deployment):
        raise CheckSkippedError("/openapi.json does not describe /predict/batch")
    images = [deployment.images[number % len(deployment.images)] for number in range(_BATCH_IMAGES)]
    single_ms = sum(deployment.client.predict(image).call_ms for image in images)
    answer = deployment.client.send(batch_call(images))
    return f"{_BATCH_IMAGES} images in one request {answer.call_ms:.0f} ms, one after the other {single_ms:.0f} ms"


@GROUP.check("The health check does not wait behind images.")
def _health_under_load(deployment: Deployment) -> str:
    options = deployment.options
    calls = [predict_call(image) for image in deployment.images]
    mixed = [call for image_call in calls for call in (image_call, Call("GET", "/health"))]
    plan = LoadPlan(options.concurrency, options.load_s / 3)
    return _require_fast(deployment, LoadRun(deployment.direct.connection, mixed, plan).run())
