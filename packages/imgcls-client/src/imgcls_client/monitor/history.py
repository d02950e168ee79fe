"""Figures drawn from many passes: uptime, outages, latencies over time, classes, drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise
from statistics import fmean, median

from imgcls_client.load.samples import percentile
from imgcls_client.monitor.observation import Observation, Stage
from imgcls_client.monitor.store import RuleState

# More points than this across an image cannot be told apart.
_MOST_BUCKETS = 120
# A silence of more than three usual distances between passes means that nobody was watching.
_SILENCE_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class Outage:
    """A stretch of passes in which the service was not available, not ready, or wrong.

    Attributes:
        end: the first good pass after it; None while it lasts.
    """

    start: datetime
    end: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """The passes of one stretch of time.

    Attributes:
        is_break: whether nobody was watching before it.
    """

    at: datetime
    passes: tuple[Observation, ...]
    is_break: bool

    def percentile_ms(self, percent: float, stage: Stage) -> float | None:
        """Gives a percentile of the times of one stage."""
        values = times_of_stage(self.passes, stage)
        return percentile(values, percent) if values else None


@dataclass(frozen=True)
class History:
    """The passes over one deployment, oldest first; at least one.

    Attributes:
        named: names of the model's classes.
        open_alerts: rules that are broken: when their alert went out, and what was found.
    """

    passes: Sequence[Observation]
    named: Mapping[int, str] = field(default_factory=dict[int, str])
    open_alerts: Sequence[RuleState] = ()

    @property
    def start(self) -> datetime:
        """The time of the first pass."""
        return self.passes[0].at

    @property
    def end(self) -> datetime:
        """The time of the last pass."""
        return self.passes[-1].at

    @property
    def is_healthy(self) -> bool:
        """Whether the last pass was without fault and no alert is open."""
        return self.last_good == self.end and not self.open_alerts

    @property
    def last_good(self) -> datetime | None:
        """The time of the last pass without fault."""
        return next((seen.at for seen in reversed(self.passes) if fault_of(seen) is None), None)

    def share(self, holds: Callable[[Observation], bool]) -> float:
        """Gives the share of passes for which something holds (0 to 1)."""
        return fmean(1.0 if holds(seen) else 0.0 for seen in self.passes)

    def outages(self) -> list[Outage]:
        """Finds the stretches of faulty passes."""
        runs = [list(run) for _, run in groupby(self.passes, key=lambda seen: fault_of(seen) is None)]
        ends = [*(run[0].at for run in runs[1:]), None]
        return [
            Outage(run[0].at, end, fault)
            for run, end in zip(runs, ends, strict=True)
            if (fault := fault_of(run[0])) is not None
        ]

    def buckets(self) -> list[Bucket]:
        """Puts the passes into stretches of equal length; passes that are far enough apart stand alone."""
        distances = [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(self.passes)]
        usual_s = median(distances) if distances else 0.0
        length_s = max((self.end - self.start).total_seconds() / _MOST_BUCKETS, usual_s * 0.5)
        groups: list[list[Observation]] = []
        for seen in self.passes:
            if groups and (seen.at - groups[-1][0].at).total_seconds() < length_s:
                groups[-1].append(seen)
            else:
                groups.append([seen])
        silence_s = max(usual_s, length_s) * _SILENCE_FACTOR
        breaks = [False, *((now[0].at - before[-1].at).total_seconds() > silence_s for before, now in pairwise(groups))]
        return [Bucket(one[0].at, tuple(one), is_break) for one, is_break in zip(groups, breaks, strict=True)]

    def errors(self) -> Counter[str]:
        """Counts failures by kind: of whole passes and of single calls."""
        kinds = Counter(str(call.error) for seen in self.passes for call in seen.failed_calls)
        kinds.update(
            (seen.reason or "not ready").split(":")[0] if not seen.is_available else "not_ready"
            for seen in self.passes
            if not (seen.is_available and seen.is_ready)
        )
        return kinds

    def times_ms(self, stage: Stage) -> list[float]:
        """Gives the times of one stage of every call."""
        return times_of_stage(self.passes, stage)

    def classes(self) -> Counter[int]:
        """Counts the classes that the monitor's own images were answered with."""
        return Counter(call.class_id for seen in self.passes for call in seen.calls if call.class_id is not None)

    def labels(self) -> dict[int, str]:
        """Names the answered classes."""
        calls = [call for seen in self.passes for call in seen.calls]
        return {**self.named, **{call.class_id: call.label or "" for call in calls if call.class_id is not None}}

    def models(self) -> list[tuple[datetime, str, str]]:
        """Lists each change of the model: when first seen, its name and hash."""
        found: list[tuple[datetime, str, str]] = []
        for seen in self.passes:
            if seen.model_sha256 is not None and (not found or found[-1][2] != seen.model_sha256):
                found.append((seen.at, seen.model_name or "", seen.model_sha256))
        return found


def times_of_stage(passes: Iterable[Observation], stage: Stage) -> list[float]:
    """Gives the times of one stage of every answered call of some passes, in milliseconds."""
    return [value for seen in passes for value in seen.times_ms(stage)]


def fault_of(seen: Observation) -> str | None:
    """Says what was wrong with a pass as a whole."""
    if not seen.is_available or not seen.is_ready:
        return seen.reason or "not ready"
    if seen.failed_calls:
        return f"{len(seen.failed_calls)} calls failed"
    return f"{len(seen.wrong)} golden cases wrong" if seen.wrong else None
