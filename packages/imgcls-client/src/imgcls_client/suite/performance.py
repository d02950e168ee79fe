"""Is the deployment fast enough, alone and under load?"""

from imgcls_client.calls import Call, batch_call, predict_call
from imgcls_client.load.engine import LoadPlan, put_load
from imgcls_client.load.samples import Load
from imgcls_client.suite.check import Check, CheckSkippedError, require
from imgcls_client.suite.deployment import Deployment
from imgcls_client.suite.protocol import described_routes

__all__ = ["CHECKS"]

GROUP = "performance"
# Half of what the service reached with all callers busy leaves it room, so that waiting means trouble.
SUSTAINED_SHARE = 0.5
BATCH_IMAGES = 8


def load(deployment: Deployment, plan: LoadPlan) -> Load:
    """Put load on the deployment with its golden pictures."""
    calls = [predict_call(image) for image in deployment.images]
    return put_load(deployment.direct.connection, calls, plan)


def require_fast(deployment: Deployment, found: Load) -> str:
    """Require that nothing failed and that the slowest of a hundred calls is within the limit."""
    require(not found.errors, f"of {len(found.samples)} calls failed: {kinds(found)}")
    p50, p95, p99 = (found.latency_ms(percent) or 0.0 for percent in (50, 95, 99))
    rate = f"{len(found.samples)} calls, {found.answers_a_second:.1f} a second"
    figures = f"{rate}, p50/p95/p99 {p50:.0f}/{p95:.0f}/{p99:.0f} ms"
    limit_ms = deployment.options.max_latency_s * 1000
    require(p99 <= limit_ms, f"{figures}; p99 is above the limit of {limit_ms:.0f} ms (--max-latency)")
    return f"{figures}; this client is the limit" if found.is_limited_by_client else figures


def kinds(found: Load) -> str:
    """List failures by kind."""
    return ", ".join(f"{count} × {kind}" for kind, count in found.errors.items())


def first_call(deployment: Deployment) -> str:
    """Say how long the first call of this run took."""
    return f"the first picture took {deployment.first_call_ms:.0f} ms"


def warm_latency(deployment: Deployment) -> str:
    """Ask one picture after the other."""
    return require_fast(deployment, load(deployment, LoadPlan(concurrency=1, duration_s=deployment.options.load_s)))


def parallel_load(deployment: Deployment) -> str:
    """Ask many pictures at once."""
    options = deployment.options
    return require_fast(deployment, load(deployment, LoadPlan(options.concurrency, options.load_s)))


def sustained_rate(deployment: Deployment) -> str:
    """Ask at even times, at half of what the service can do, whether or not it keeps up."""
    options = deployment.options
    most = load(deployment, LoadPlan(options.concurrency, options.load_s / 3))
    rate = most.answers_a_second * SUSTAINED_SHARE
    require(rate > 0, f"nothing is answered: {kinds(most)}")
    found = load(deployment, LoadPlan(4 * options.concurrency, options.load_s, rate=rate))
    return f"sent {rate:.0f} a second; {require_fast(deployment, found)}"


def batch_against_single(deployment: Deployment) -> str:
    """Compare one request of several pictures with as many requests of one."""
    if "/predict/batch" not in described_routes(deployment):
        raise CheckSkippedError("/openapi.json does not describe /predict/batch")
    images = [deployment.images[number % len(deployment.images)] for number in range(BATCH_IMAGES)]
    single_ms = sum(deployment.client.predict(image).call_ms for image in images)
    answer = deployment.client.send(batch_call(images))
    return f"{BATCH_IMAGES} pictures in one request {answer.call_ms:.0f} ms, one after the other {single_ms:.0f} ms"


def health_under_load(deployment: Deployment) -> str:
    """Ask for the health while many pictures are asked."""
    options = deployment.options
    calls = [predict_call(image) for image in deployment.images]
    mixed = [call for image_call in calls for call in (image_call, Call("GET", "/health"))]
    plan = LoadPlan(options.concurrency, options.load_s / 3)
    return require_fast(deployment, put_load(deployment.direct.connection, mixed, plan))


CHECKS: tuple[Check, ...] = (
    Check(GROUP, "first_call", "The first picture is answered, however cold the service was.", first_call),
    Check(GROUP, "warm_latency", "One caller is answered in time.", warm_latency),
    Check(GROUP, "parallel_load", "Many callers at once are all answered in time.", parallel_load),
    Check(GROUP, "sustained_rate", "Half of the top rate is answered in time for as long as it lasts.", sustained_rate),
    Check(GROUP, "health_under_load", "The health check does not wait behind pictures.", health_under_load),
    Check(GROUP, "batch_against_single", "Several pictures in one request are answered.", batch_against_single),
)
