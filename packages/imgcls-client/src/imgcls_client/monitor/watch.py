"""Watching: passes at even times, kept, judged, told."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imgcls_client.client import ImgclsClient
from imgcls_client.image_sources import ImageSource
from imgcls_client.monitor.alerts import Alerting
from imgcls_client.monitor.observation import Observation, observe
from imgcls_client.monitor.rules import RULES, Limits, Turn, broken_rules, next_state
from imgcls_client.monitor.store import Store

__all__ = ["Pass", "Watch", "times_of"]


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
    """

    client: ImgclsClient
    store: Store
    limits: Limits
    alerting: Alerting
    alert_after: int = 1
    images: tuple[ImageSource, ...] = ()
    platform: Callable[[], dict[str, float]] = dict

    def make_pass(self) -> Pass:
        """Look once, keep it, judge it, and tell what turned."""
        seen = observe(self.client, self.images)
        platform = self.platform()
        self.store.add(seen, platform)
        broken = broken_rules(seen, self.limits)
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
