"""Running checks one after the other. Prints nothing."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from imgcls_client.errors import AccessDeniedError, ImgclsClientError
from imgcls_client.json_fields import FieldError
from imgcls_client.replies import ModelRef
from imgcls_client.suite.check import OUTCOMES, Check, CheckFailedError, CheckSkippedError, Outcome, Result
from imgcls_client.suite.deployment import Deployment

__all__ = ["SuiteRun", "model_of", "open_up", "run_checks"]


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A finished run of the suite.

    Attributes:
        url: Which deployment.
        model: What its golden cases say of the model, or None where they could not be had.
        at: When, in UTC.
    """

    url: str
    model: ModelRef | None
    results: tuple[Result, ...]
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def count(self, outcome: Outcome) -> int:
        """Count the results of one outcome."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def has_passed(self) -> bool:
        """Whether no check failed."""
        return self.count("failed") == 0

    def summary(self) -> str:
        """Count the outcomes in one line."""
        return f"{self.count('passed')} passed, {self.count('failed')} failed, {self.count('skipped')} skipped"

    def document(self) -> dict[str, object]:
        """Give everything as one JSON document."""
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


def open_up(deployment: Deployment) -> None:
    """Find out whether the deployment can be tested at all, with the first picture that it gets.

    It must come before all others to say anything of a cold start; a check reports its time later. Any failure but
    those below is a matter for the checks.

    Raises:
        UnreachableError: There is nothing at the address.
        AccessDeniedError: Our key does not open it, so every test would fail or, worse, pass for that reason.
    """
    deployment.client.health()
    try:
        deployment.first_call_ms  # noqa: B018 - asks, and remembers the answer's time
    except AccessDeniedError:
        raise
    except ImgclsClientError:
        return


def model_of(deployment: Deployment) -> ModelRef | None:
    """Name the model under test."""
    try:
        return deployment.golden.model
    except ImgclsClientError:
        return None


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
    except (ImgclsClientError, FieldError) as error:
        # The service did not let the check get as far as its question.
        return "failed", str(error)
