"""Watching: passes at even times, kept, judged, told."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from imgcls_client.client import ImgclsClient
from imgcls_client.image_sources import ImageSource
from imgcls_client.monitor.alerts import Alerting
from imgcls_client.monitor.live import drift_of, read_live
from imgcls_client.monitor.observation import Observation, observe
from imgcls_client.monitor.rules import RULES, Limits, Turn, broken_rules, next_state
from imgcls_client.monitor.store import Store
from imgcls_client.monitor.traffic import read_class_totals

__all__ = ["Pass", "Watch", "times_of"]

# Enough to see a drift among hundreds of classes, and few enough to see it soon.
ENOUGH_ANSWERS = 2000


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass with its verdict.

    Attributes:
        broken: The rules that it breaks, each with what was found.
        turns: The alerts that went out.
        problems: What could not be told.
        platform: Figures of the platform.
    """

    seen: Observation
    broken: dict[str, str]
    turns: tuple[Turn, ...] = ()
    problems: tuple[str, ...] = ()
    platform: dict[str, float] = field(default_factory=dict[str, float])


@dataclass
class Watch:
    """Makes passes over one deployment.

    Attributes:
        alert_after: How many passes in a row must break a rule before that is worth an alert.
        images: Asked beside the golden pictures.
        platform: Gives the platform's figures, or raises nothing and gives none.
        reads_traffic: Whether the counters are those of the whole service; behind a router they are one replica's.
        recent_traffic: Answers to other callers that are judged for drift, pass by pass.
    """

    client: ImgclsClient
    store: Store
    limits: Limits
    alerting: Alerting
    alert_after: int = 1
    images: tuple[ImageSource, ...] = ()
    platform: Callable[[], dict[str, float]] = dict
    reads_traffic: bool = True
    recent_traffic: deque[Mapping[int, float]] = field(default_factory=deque[Mapping[int, float]])

    def window(self, latest: Mapping[int, float]) -> dict[int, float]:
        """Give the latest answers to other callers: of as many passes as it takes to have enough of them."""
        self.recent_traffic.append(latest)
        while sum(sum(each.values()) for each in list(self.recent_traffic)[1:]) >= ENOUGH_ANSWERS:
            self.recent_traffic.popleft()
        counts: Counter[int] = Counter()
        for each in self.recent_traffic:
            counts.update({class_id: round(answers) for class_id, answers in each.items()})
        return dict(counts)

    def with_drift(self, seen: Observation) -> Observation:
        """Add what the service says of its latest answers, and how far they have moved.

        One replica's answers are a fair sample of all, so this needs no counters of the whole service.
        """
        live = None if seen.model_name is None else read_live(self.client, seen.model_name)
        return seen if live is None else replace(seen, live=live, drift=drift_of(live, self.limits.max_drift))

    def latest_classes(self, seen: Observation) -> dict[int, float]:
        """Give the classes that other callers got lately: as the service counts them, else from its counters."""
        counted = self.window(seen.traffic)
        return seen.live.classes() if seen.live is not None and seen.live.answers else counted

    def make_pass(self) -> Pass:
        """Look once, keep it, judge it, and tell what turned."""
        totals = read_class_totals(self.client) if self.reads_traffic else None
        seen = observe(self.client, self.images)
        if totals is not None:
            seen = replace(seen, traffic=self.store.take_totals(seen.url, totals))
        seen = self.with_drift(seen)
        limits = replace(self.limits, traffic=self.latest_classes(seen))
        platform = self.platform()
        self.store.add(seen, platform)
        broken = broken_rules(seen, limits)
        turns: list[Turn] = []
        problems: list[str] = []
        for rule in RULES:
            before = self.store.rule_state(seen.url, rule)
            after, turn = next_state(before, broken.get(rule), at=seen.at, alert_after=self.alert_after)
            # Kept before it is told: a kill in between loses one alert, the other order would repeat it.
            self.store.keep_rule_state(seen.url, after)
            if turn is not None:
                turns.append(turn)
                problems += self.alerting.tell(turn, seen.url)
        return Pass(seen, broken, tuple(turns), tuple(problems), platform)


def times_of(every_s: float | None, for_s: float | None) -> Iterator[int]:
    """Give a number at each time when a pass is due, waiting in between; once where no distance is given.

    A pass that takes longer than the distance delays the next one, and no pass is made up for.
    """
    started = time.monotonic()
    number = 0
    while True:
        yield number
        if every_s is None:
            return
        elapsed_s = time.monotonic() - started
        number = max(number + 1, int(elapsed_s / every_s))
        due_s = number * every_s
        if for_s is not None and due_s > for_s:
            return
        time.sleep(max(0.0, due_s - elapsed_s))
