"""What is tried again, how often, and after how long. Decides only; whoever sends does the waiting."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from imgcls_sdk.errors import (
    DeadlineExceededError,
    ImgclsClientError,
    RefusedError,
    UnavailableError,
    UnreachableError,
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of a call may take, in seconds.

    Attributes:
        connect_s: until the connection stands.
        cold_start_s: until the first answer, which may have to wait for a machine to start and load a model.
        warm_s: until any later answer.
        warm_for_s: after this long without an answer the service may have been scaled to zero, so the next call
            gets `cold_start_s` again.
    """

    connect_s: float = 5.0
    cold_start_s: float = 120.0
    warm_s: float = 30.0
    warm_for_s: float = 30.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter.

    Tried again: connections that fail or break, 502, 503 and 504. Classifying an image twice does no harm. Never
    tried again: any 4xx, and an answer that did not come in time (the time was already spent).

    Attributes:
        attempts: sends in all, the first included (1 or more).
        base_s: upper end of the first wait, in seconds; each further one doubles.
        longest_s: no wait of our own choosing is longer, in seconds.
        longest_retry_after_s: a service that asks for a longer wait gets its refusal reported instead, in seconds.
    """

    attempts: int = 4
    base_s: float = 0.25
    longest_s: float = 8.0
    longest_retry_after_s: float = 60.0
    jitter: random.Random = field(default_factory=random.Random, repr=False, compare=False)

    def delay_s(self, attempt: int, failure: ImgclsClientError) -> float | None:
        """Says how long to wait before sending again, in seconds, or None to give up.

        Args:
            attempt: how many sends there have been (1 or more).
            failure: what the last one ended with.
        """
        if attempt >= self.attempts or not _is_passing(failure):
            return None
        asked_s = failure.retry_after_s if isinstance(failure, RefusedError) else None
        if asked_s is not None and asked_s > self.longest_retry_after_s:
            return None
        chosen_s = self.jitter.uniform(0, min(self.longest_s, self.base_s * 2 ** (attempt - 1)))
        # Jitter on top of what was asked: callers refused together must not come back together.
        return chosen_s if asked_s is None else asked_s + chosen_s


NO_RETRY = RetryPolicy(attempts=1)


def _is_passing(failure: ImgclsClientError) -> bool:
    return isinstance(failure, UnreachableError | UnavailableError | DeadlineExceededError)
