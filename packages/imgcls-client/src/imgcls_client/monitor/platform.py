"""The platform's figures for the monitor."""

from __future__ import annotations

from imgcls_cerebrium.errors import PlatformApiError
from imgcls_cerebrium.rest_api import CerebriumApi

from imgcls_client.load.samples import percentile


def platform_figures(api: CerebriumApi) -> dict[str, float]:
    """Asks for replicas, restarts, recent runs and their times; empty where the API does not answer.

    A platform whose API is away says nothing of the deployment, so it must not fail a pass.
    """
    try:
        containers, runs = api.containers(), api.runs()
    except PlatformApiError:
        return {}
    figures = {
        "replicas": float(len(containers)),
        "restarts": float(sum(container.restarts for container in containers)),
        "runs": float(len(runs)),
        "failed_runs": float(sum(run.is_failed for run in runs)),
    }
    for name in ("queue_ms", "runtime_ms"):
        if values := [value for run in runs if (value := getattr(run, name)) is not None]:
            figures |= {f"{name}_p{percent}": percentile(values, percent) for percent in (50, 95)}
    return figures
