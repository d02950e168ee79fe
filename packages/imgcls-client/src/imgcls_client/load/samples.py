"""Every measured call of a load, and the figures drawn from them. No sampling: each percentile is of all calls."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

ANSWERED = "answered"
_PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
# A client that computes for this share of the time has no time left to notice answers.
_BUSY_CLIENT_SHARE = 0.85
# Requests of an open loop that leave this late, although a place was free, were held up by the client.
_LATE_START_MS = 20.0


@dataclass(frozen=True, slots=True)
class CallSample:
    """One call.

    Attributes:
        due_s: when it should have been sent, in seconds since the load began.
        latency_ms: from when it should have been sent to the whole answer, so that a stalled service is charged for
            every call that it held up (coordinated omission).
        outcome: `answered`, the service's problem code, or the kind of failure.
    """

    due_s: float
    latency_ms: float
    outcome: str


def percentile(values: Sequence[float], percent: float) -> float:
    """Gives a percentile by nearest rank: a value that really occurred.

    Args:
        values: at least one.
        percent: 0 to 100.
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


class LoadFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What `bench --json` writes and `--compare` reads; latencies in milliseconds by name of the percentile."""

    calls: int
    answered: int
    errors: dict[str, int]
    elapsed_s: float
    answers_a_second: float
    latency_ms: dict[str, float]
    client_cores: float
    late_start_p99_ms: float
    limited_by_client: bool


@dataclass(frozen=True, slots=True)
class Load:
    """A finished load.

    Attributes:
        elapsed_s: from the first due call to the last answer, warm-up left out.
        client_share: how much of one core this process used, 0 to 1 and above.
        late_ms: how late calls were sent although a place was free, 99th percentile.
    """

    samples: tuple[CallSample, ...]
    elapsed_s: float
    client_share: float
    late_ms: float

    @property
    def answered(self) -> tuple[CallSample, ...]:
        """The calls that got an answer."""
        return tuple(sample for sample in self.samples if sample.outcome == ANSWERED)

    @property
    def errors(self) -> dict[str, int]:
        """The failures by kind, most frequent first."""
        counts = Counter(sample.outcome for sample in self.samples if sample.outcome != ANSWERED)
        return dict(counts.most_common())

    @property
    def answers_a_second(self) -> float:
        """The throughput: answers, not refusals."""
        return len(self.answered) / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def is_limited_by_client(self) -> bool:
        """Whether the figures say more about this client than about the service."""
        return self.client_share >= _BUSY_CLIENT_SHARE or self.late_ms >= _LATE_START_MS

    def latency_ms(self, percent: float) -> float | None:
        """Gives a percentile of the answered calls' latency, or None where nothing was answered."""
        values = [sample.latency_ms for sample in self.answered]
        return percentile(values, percent) if values else None

    def figures(self) -> LoadFigures:
        """Gives the figures for comparison with other runs."""
        values = [sample.latency_ms for sample in self.answered]
        latency: dict[str, float] = {}
        if values:
            latency = {f"p{percent:g}": round(percentile(values, percent), 3) for percent in _PERCENTILES}
            latency |= {"mean": round(sum(values) / len(values), 3), "max": round(max(values), 3)}
        return LoadFigures(
            calls=len(self.samples),
            answered=len(self.answered),
            errors=self.errors,
            elapsed_s=round(self.elapsed_s, 3),
            answers_a_second=round(self.answers_a_second, 2),
            latency_ms=latency,
            client_cores=round(self.client_share, 3),
            late_start_p99_ms=round(self.late_ms, 3),
            limited_by_client=self.is_limited_by_client,
        )
