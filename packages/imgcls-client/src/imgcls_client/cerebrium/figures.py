"""The platform's figures for the monitor."""

from imgcls_client.cerebrium.rest import CerebriumApi, Run
from imgcls_client.errors import ImgclsClientError
from imgcls_client.load.samples import percentile

__all__ = ["failed_runs", "platform_figures"]


def failed_runs(runs: list[Run]) -> list[Run]:
    """Give the runs that ended with a fault of the service or the platform."""
    return [run for run in runs if run.status_code is not None and run.status_code >= 500]


def platform_figures(api: CerebriumApi) -> dict[str, float]:
    """Ask for replicas, restarts, recent runs and their times; empty where the API does not answer.

    A platform whose API is away says nothing of the deployment, so it must not fail a pass.
    """
    try:
        containers, runs = api.containers(), api.runs()
    except ImgclsClientError:
        return {}
    figures = {
        "replicas": float(len(containers)),
        "restarts": float(sum(container.restarts for container in containers)),
        "runs": float(len(runs)),
        "failed_runs": float(len(failed_runs(runs))),
    }
    times = {
        "queue_ms": [run.queue_ms for run in runs if run.queue_ms is not None],
        "runtime_ms": [run.runtime_ms for run in runs if run.runtime_ms is not None],
    }
    for name, values in times.items():
        if values:
            figures |= {f"{name}_p50": percentile(values, 50), f"{name}_p95": percentile(values, 95)}
    return figures
