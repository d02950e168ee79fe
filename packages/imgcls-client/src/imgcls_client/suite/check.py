"""What a check is and what becomes of it. Knows no HTTP and prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from imgcls_client.suite.deployment import Deployment

__all__ = ["OUTCOMES", "Check", "CheckFailedError", "CheckSkippedError", "Outcome", "Result", "require"]

Outcome = Literal["passed", "failed", "skipped"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


class CheckFailedError(Exception):
    """The deployment does not do what the check asks for; the text says what was expected and what was found."""


class CheckSkippedError(Exception):
    """The check does not apply here; the text says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One test of a deployment.

    Attributes:
        group: Which group it belongs to.
        name: Unique in the suite, snake_case.
        proves: What is known when it passes, in one sentence.
        run: Gives one sentence of what was seen, or raises `CheckFailedError` or `CheckSkippedError`.
    """

    group: str
    name: str
    proves: str
    run: Callable[[Deployment], str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check.

    Attributes:
        detail: What was seen, what failed, or why it was skipped.
        elapsed_s: How long the check took.
    """

    check: Check
    outcome: Outcome
    detail: str
    elapsed_s: float


def require(condition: bool, otherwise: str) -> None:
    """Fail the check unless the condition holds.

    Raises:
        CheckFailedError: It does not hold.
    """
    if not condition:
        raise CheckFailedError(otherwise)
