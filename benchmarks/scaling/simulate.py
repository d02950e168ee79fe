"""A day of arrivals at a fleet that scales by a rule: replicas, queues and refusals over time.

    uv run python benchmarks/scaling/simulate.py docs/scaling.svg

Prints one JSON document and draws the day. What one replica answers in a second and how long it takes to start are
measured (`benchmarks/serve/results/throughput.json`); limits and thresholds are those of `deploy/kubernetes`; arrivals,
and the seconds until Kubernetes has a pod running, are made up and named below. Requests come at random (Poisson) to a
random replica that is ready; one that finds a full queue is refused. The horizontal autoscaler looks every 15 s at the
latest scrape, as its documentation says: a tolerance of 10 %, at most four pods or twice as many at a time, and on the
way down the highest wish of five minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from imgcls_report import Line, chart, drawing, number_scale
from numpy.typing import NDArray

ROOT: Final = Path(__file__).parents[2]
MEASURED: Final = json.loads((ROOT / "benchmarks/serve/results/throughput.json").read_text(encoding="utf-8"))
SCALED: Final = yaml.safe_load((ROOT / "deploy/kubernetes/autoscale-keda.yaml").read_text())["spec"]
BY_CPU: Final = yaml.safe_load((ROOT / "deploy/kubernetes/autoscale-cpu.yaml").read_text())["spec"]

IMAGES_PER_S: Final = float(MEASURED["rounds"][0]["c8"]["requests_per_s"])
PROCESSORS: Final = int(MEASURED["machine"]["cpus"])
QUEUE: Final = 128  # IMGCLS_QUEUE_SIZE
# Made up: until a pod is scheduled on a node that has the image, its process is started and a probe has seen it.
START_S: Final = 12.0 + float(MEASURED["summary"]["ready_after_s"]) + 2.0

DAY_S: Final = 86_400
TICK_S: Final = 0.5
SYNC_S: Final = 15.0
SCRAPE_S: Final = 15.0
PROBE_S: Final = 2.0  # readinessProbe.periodSeconds
TOLERANCE: Final = 0.1
_BEHAVIOUR: Final = SCALED["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
DOWN_S: Final = float(_BEHAVIOUR["scaleDown"]["stabilizationWindowSeconds"])

Rule = Callable[[int, float, float], float]
"""(replicas, images pending, share of the processors in use) → replicas wished for."""


def arrivals_per_s(now_s: float) -> float:
    """Gives the rate at a time of the day: quiet nights, two humps, ten minutes at twice the rate, a jump to three."""
    hour = now_s / 3600
    rate = 150 + 900 * math.exp(-(((hour - 10.5) / 2.5) ** 2)) + 1200 * math.exp(-(((hour - 19.5) / 2) ** 2))
    if 13 <= hour < 13 + 1 / 6:
        rate *= 2
    return rate * 3 if 3 <= hour < 3.25 else rate


@dataclass
class Autoscaler:
    """Kubernetes' horizontal autoscaler with one metric."""

    rule: Rule
    least: int
    most: int
    _wishes: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def replicas(self, now_s: float, replicas: int, pending: float, use: float) -> int:
        """Gives how many there should be."""
        exact = self.rule(replicas, pending, use)
        wish = replicas if abs(exact / replicas - 1) <= TOLERANCE else math.ceil(exact)
        wish = min(max(wish, self.least), self.most, max(replicas + 4, replicas * 2))
        self._wishes.append((now_s, wish))
        while self._wishes[0][0] < now_s - DOWN_S:
            self._wishes.popleft()
        return wish if wish > replicas else min(replicas, max(one for _, one in self._wishes))


@dataclass(frozen=True)
class Day:
    """What came of a day, in steps of a minute: arrivals/s, replicas, share refused, wait in ms of 99 % of images."""

    arrivals: NDArray[np.float64]
    replicas: NDArray[np.float64]
    refused: NDArray[np.float64]
    wait_ms: NDArray[np.float64]
    summary: dict[str, float]


def simulate(rule: Rule, *, full_at: float = 0.0, seed: int = 1) -> Day:
    """Lets a day pass.

    Args:
        rule: how many replicas are wished for.
        full_at: share of the queue from which `/ready` says no (IMGCLS_FULL_AT), until half of it is done; 0 never.
        seed: of the arrivals.
    """
    chance = np.random.default_rng(seed)
    scaler = Autoscaler(rule, int(SCALED["minReplicaCount"]), int(SCALED["maxReplicaCount"]))
    queue = np.zeros(scaler.least)
    ready_at = np.zeros(scaler.least)
    is_full = np.zeros(scaler.least, np.bool_)
    capacity = IMAGES_PER_S * TICK_S
    served_since, came, refused, pending_seen, use_seen = 0.0, 0, 0, 0.0, 0.0
    minutes: list[tuple[float, float, float, float]] = []
    waits: list[float] = []
    all_waits: list[float] = []
    all_came, all_refused, replica_s = 0, 0.0, 0.0
    per_minute = round(60 / TICK_S)
    for tick in range(round(DAY_S / TICK_S)):
        now_s = tick * TICK_S
        new = chance.poisson(arrivals_per_s(now_s) * TICK_S)
        if full_at and tick % round(PROBE_S / TICK_S) == 0:
            is_full = np.where(is_full, queue > full_at * QUEUE / 2, queue >= full_at * QUEUE)
        takes = np.flatnonzero((ready_at <= now_s) & ~is_full)
        came += new
        if len(takes):
            queue[takes] += np.bincount(chance.integers(0, len(takes), new), minlength=len(takes))
        else:
            refused += new
        served = np.where(ready_at <= now_s, np.minimum(queue, capacity), 0.0)
        queue -= served
        refused += float((over := np.maximum(queue - QUEUE, 0)).sum())
        queue -= over
        waits.append(float(queue.max()) / IMAGES_PER_S * 1000)
        served_since += float(served.sum())
        replica_s += len(queue) * TICK_S
        if tick % round(SCRAPE_S / TICK_S) == 0:
            # In work besides what waits: each processor has an image for the share of the time that it is busy.
            pending_seen = float(queue.sum() + PROCESSORS * (served / capacity).sum())
            use_seen = served_since / (IMAGES_PER_S * SCRAPE_S * max(1, int((ready_at <= now_s).sum())))
            served_since = 0.0
        if tick % round(SYNC_S / TICK_S) == 0:
            wished = scaler.replicas(now_s, len(queue), pending_seen, use_seen)
            more = max(0, wished - len(queue))
            # Those that go answer what they have: a drain loses nothing and is not followed here.
            queue = np.concatenate([queue[:wished], np.zeros(more)])
            ready_at = np.concatenate([ready_at[:wished], np.full(more, now_s + START_S)])
            is_full = np.concatenate([is_full[:wished], np.zeros(more, np.bool_)])
        if tick % per_minute == per_minute - 1:
            minutes.append((came / 60, len(queue), refused / max(came, 1), float(np.percentile(waits, 99))))
            all_waits += waits
            all_came, all_refused = all_came + came, all_refused + refused
            came, refused = 0, 0
            waits = []
    columns = np.array(minutes).T
    summary = {
        "images": all_came,
        "refused": round(all_refused),
        "refused_percent": round(100 * all_refused / all_came, 3),
        "replica_hours": round(replica_s / 3600, 1),
        "most_replicas": int(columns[1].max()),
        "wait_p99_ms": round(float(np.percentile(all_waits, 99))),
    }
    return Day(columns[0], columns[1], columns[2], columns[3], summary)


def by_queue(threshold: float) -> Rule:
    """Wishes for so many replicas that each has so many images pending."""
    return lambda _, pending, __: pending / threshold


def by_cpu(share: float, told: float = 1.0) -> Rule:
    """Wishes for so many replicas that each uses this share of its processors, of which only a part may be seen."""
    return lambda replicas, _, use: replicas * use * told / share


def main() -> None:
    """Simulates, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("svg", type=Path)
    arguments = parser.parse_args()
    threshold = float(SCALED["triggers"][0]["metadata"]["threshold"])
    target = BY_CPU["metrics"][0]["resource"]["target"]["averageUtilization"] / 100
    days = {
        "queue": simulate(by_queue(threshold)),
        "processor": simulate(by_cpu(target)),
        # What is seen of a GPU's work on the processors beside it.
        "processor, on a GPU": simulate(by_cpu(target, told=0.1)),
        **{f"queue, {other:g} for each": simulate(by_queue(other)) for other in (1.0, 4.0) if other != threshold},
        "queue, full at 0.75": simulate(by_queue(threshold), full_at=0.75),
    }
    arguments.svg.write_text(drawn(days), encoding="utf-8")
    facts = {"images_per_s": IMAGES_PER_S, "start_s": START_S, "queue": QUEUE, "threshold": threshold}
    document: dict[str, Any] = {**facts, "rules": {name: day.summary for name, day in days.items()}}
    sys.stdout.write(f"{json.dumps(document, indent=1)}\n")


def drawn(days: dict[str, Day]) -> str:
    """Draws arrivals and capacity, replicas and refusals of the first three rules."""
    shown = {name: days[name] for name in list(days)[:3]}
    hours = number_scale("hour of the day", high=24.0, is_tight=True)

    def line(name: str, values: NDArray[np.float64], step: int = 2) -> Line:
        return Line(name, [(minute / 60, float(values[minute])) for minute in range(0, len(values), step)])

    arrivals = line("images/s", days["queue"].arrivals)
    replicas = [line(f"by {name}", day.replicas) for name, day in shown.items()]
    refused = [line(f"by {name}", 100 * day.refused, 1) for name, day in shown.items()]
    return drawing(
        "A day of a fleet that scales on its queue, on its processors, and on the processors beside a GPU",
        [
            chart("Arrivals", [arrivals], x=hours, y=number_scale("images/s")),
            chart("Replicas", replicas, x=hours, y=number_scale("replicas")),
            chart("Refused", refused, x=hours, y=number_scale("% of each minute's images")),
        ],
    )


if __name__ == "__main__":
    main()
