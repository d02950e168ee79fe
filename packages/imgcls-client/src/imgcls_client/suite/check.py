"""What a check is and what becomes of it. Knows no HTTP and prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, get_args

from imgcls_client.suite.deployment import Deployment

Outcome = Literal["passed", "failed", "skipped"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
# Gives one sentence of what was seen, or raises `CheckFailedError` or `CheckSkippedError`.
Run = Callable[[Deployment], str]


class CheckFailedError(Exception):
    """The deployment does not do what the check asks for; the text says what was expected and what was found."""


class CheckSkippedError(Exception):
    """The check does not apply here; the text says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One test of a deployment: its name is unique in the suite, and `proves` says what is known when it passes."""

    group: str
    name: str
    proves: str
    run: Run = field(repr=False)


@dataclass
class CheckGroup:
    """The checks of one group, in the order in which they are added."""

    name: str
    checks: list[Check] = field(default_factory=list[Check])

    def check(self, proves: str) -> Callable[[Run], Run]:
        """Adds a function as a check that has its name, less the underscore."""

        def add(run: Run) -> Run:
            self.add(run.__name__.removeprefix("_"), proves, run)
            return run

        return add

    def add(self, name: str, proves: str, run: Run) -> None:
        """Adds a check."""
        self.checks.append(Check(self.name, name, proves, run))


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one check: what was seen, what failed, or why it was skipped, and how long it took."""

    check: Check
    outcome: Outcome
    detail: str
    elapsed_s: float


def require(condition: bool, otherwise: str) -> None:
    """Raises `CheckFailedError` unless the condition holds."""
    if not condition:
        raise CheckFailedError(otherwise)
