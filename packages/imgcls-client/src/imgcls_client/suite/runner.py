"""Running checks one after the other. Prints nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from imgcls_cerebrium.errors import PlatformApiError
from imgcls_contract import ModelId
from imgcls_sdk.errors import AccessDeniedError, ImgclsClientError

from imgcls_client.served import Served
from imgcls_client.suite.check import OUTCOMES, Check, CheckFailedError, CheckSkippedError, Outcome, Result
from imgcls_client.suite.deployment import Deployment


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A finished run of the suite.

    Attributes:
        url: which deployment.
        model: what its golden cases say of the model, or None where they could not be had.
        served: what the deployment says of itself.
        at: when, in UTC.
    """

    url: str
    model: ModelId | None
    results: tuple[Result, ...]
    served: Served = field(default_factory=Served)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def count(self, outcome: Outcome) -> int:
        """Counts the results of one outcome."""
        return sum(result.outcome == outcome for result in self.results)

    def by_group(self) -> dict[str, list[Result]]:
        """Gives the results of each group, in order."""
        groups: dict[str, list[Result]] = {}
        for result in self.results:
            groups.setdefault(result.check.group, []).append(result)
        return groups

    @property
    def has_passed(self) -> bool:
        """Whether no check failed."""
        return self.count("failed") == 0

    def summary(self) -> str:
        """Counts the outcomes in one line."""
        return ", ".join(f"{self.count(outcome)} {outcome}" for outcome in OUTCOMES)

    def document(self) -> dict[str, object]:
        """Gives everything as one JSON document."""
        return {
            "url": self.url,
            "model": None if self.model is None else {"name": self.model.name, "sha256": self.model.sha256},
            "at": self.at.isoformat(timespec="seconds"),
            "passed": self.has_passed,
            "counts": {outcome: self.count(outcome) for outcome in OUTCOMES},
            "tests": [
                {
                    "group": result.check.group,
                    "name": result.check.name,
                    "proves": result.check.proves,
                    "outcome": result.outcome,
                    "detail": result.detail,
                    "elapsed_s": round(result.elapsed_s, 3),
                }
                for result in self.results
            ],
        }


def preflight(deployment: Deployment) -> str | None:
    """Finds out whether the deployment can be tested at all, with the first image that it gets.

    It must come before all others to say anything of a cold start; a check reports its time later. Any failure but
    those below is a matter for the checks.

    Returns:
        Why it is not ready; None where it is.

    Raises:
        UnreachableError: there is nothing at the address.
        AccessDeniedError: our key does not open it, so every test would fail or, worse, pass for that reason.
    """
    deployment.client.health()
    readiness = deployment.direct.ready()
    if not readiness.ready:
        return readiness.reason or "no reason given"
    try:
        deployment.first_call_ms  # noqa: B018 - asks, and remembers the answer's time
    except AccessDeniedError:
        raise
    except ImgclsClientError:
        pass
    return None


def model_of(deployment: Deployment) -> ModelId | None:
    """Names the model under test."""
    with suppress(ImgclsClientError):
        return ModelId(deployment.identity.name, deployment.identity.sha256 or "")
    return None


def other_models(deployment: Deployment) -> tuple[str, ...]:
    """Names the loaded models beside the one under test."""
    own = deployment.identity.name
    return tuple(each.name for each in deployment.client.models() if each.loaded and each.name != own)


def skip_checks(checks: Iterable[Check], reason: str) -> Iterator[Result]:
    """Gives the result of checks that are not run."""
    yield from (Result(check, "skipped", reason, 0.0) for check in checks)


def run_checks(checks: Iterable[Check], deployment: Deployment) -> Iterator[Result]:
    """Runs checks in order and gives each result as it comes; a failure never ends the run."""
    for check in checks:
        started = time.perf_counter()
        outcome: Outcome = "passed"
        try:
            detail = check.run(deployment)
        except CheckSkippedError as reason:
            outcome, detail = "skipped", str(reason)
        except (CheckFailedError, ImgclsClientError, PlatformApiError) as failure:
            # An error of the client: the service did not let the check get as far as its question.
            outcome, detail = "failed", str(failure)
        yield Result(check, outcome, detail, time.perf_counter() - started)
