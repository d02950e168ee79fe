"""What a check is and what becomes of it. Knows no HTTP and prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from imgcls_client.suite.deployment import Deployment

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
        group: which group it belongs to.
        name: unique in the suite, snake_case.
        proves: what is known when it passes, in one sentence.
        run: gives one sentence of what was seen, or raises `CheckFailedError` or `CheckSkippedError`.
    """

    group: str
    name: str
    proves: str
    run: Callable[[Deployment], str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check.

    Attributes:
        detail: what was seen, what failed, or why it was skipped.
        elapsed_s: how long the check took.
    """

    check: Check
    outcome: Outcome
    detail: str
    elapsed_s: float


def require(condition: bool, otherwise: str) -> None:
    """Fails the check unless the condition holds.

    Raises:
        CheckFailedError: it does not hold.
    """
    if not condition:
        raise CheckFailedError(otherwise)
