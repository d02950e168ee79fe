"""Running checks one after the other. Prints nothing."""

import time
from collections.abc import Iterable, Iterator

from imgcls_client.errors import ImgclsClientError
from imgcls_client.suite.check import Check, CheckFailedError, CheckSkippedError, Outcome, Result
from imgcls_client.suite.deployment import Deployment

__all__ = ["run_checks"]


def run_checks(checks: Iterable[Check], deployment: Deployment) -> Iterator[Result]:
    """Run checks in order and give each result as it comes; a failure never ends the run."""
    for check in checks:
        started = time.perf_counter()
        outcome, detail = run_check(check, deployment)
        yield Result(check, outcome, detail, time.perf_counter() - started)


def run_check(check: Check, deployment: Deployment) -> tuple[Outcome, str]:
    """Run one check."""
    try:
        return "passed", check.run(deployment)
    except CheckFailedError as failure:
        return "failed", str(failure)
    except CheckSkippedError as reason:
        return "skipped", str(reason)
    except ImgclsClientError as error:
        # The service did not let the check get as far as its question.
        return "failed", str(error)
