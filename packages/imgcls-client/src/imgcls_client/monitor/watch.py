"""Watching: passes at even times, kept, judged, told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import ImgclsClientError
from msgspec.structs import replace

from imgcls_client.monitor.alerts import Alerting
from imgcls_client.monitor.drift import ask_drift, distributions_of
from imgcls_client.monitor.observation import Observation, observe
from imgcls_client.monitor.rules import RULES, AlertTransition, Limits, broken_rules, next_state
from imgcls_client.monitor.store import RuleState, Store
from imgcls_client.predict.image_sources import NamedImage

if TYPE_CHECKING:
    from imgcls_core.verification.truth import ArtifactTruth


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass with its verdict.

    Attributes:
        broken: the rules that it breaks, each with what was found.
        transitions: the alerts that went out.
        problems: what could not be told.
    """

    seen: Observation
    broken: dict[str, str]
    transitions: tuple[AlertTransition, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass
class Watch:
    """Makes passes over one deployment.

    Attributes:
        alert_after: how many passes in a row must break a rule before that is worth an alert.
        images: asked beside the golden images.
        platform: gives the platform's figures, or raises nothing and gives none.
        model: the model to ask instead of the default one.
        truth: the user's own artifact.
    """

    client: ImgclsClient
    store: Store
    limits: Limits
    alerting: Alerting
    alert_after: int = 1
    images: tuple[NamedImage, ...] = ()
    platform: Callable[[], dict[str, float]] = dict
    model: str | None = None
    truth: ArtifactTruth | None = None

    def _with_drift(self, seen: Observation) -> Observation:
        """Adds what the service says of its latest answers; one replica's are a fair sample of all."""
        live = None if seen.model_name is None else ask_drift(self.client, seen.model_name, self.limits.max_drift)
        return seen if live is None else replace(seen, live=live, drift=distributions_of(live))

    def _learn_class_names(self, seen: Observation) -> None:
        """Keeps the names of a model's classes, once for each model: the drift reply counts classes by number."""
        if seen.live is None or self.store.has_class_names(seen.live.model.sha256):
            return
        try:
            image = self.client.golden(self.model).cases[0].image
            classes = len(seen.live.window.classes)
            everything = self.client.predict(image, top_k=classes, model=self.model).top
        except (ImgclsClientError, IndexError):
            return
        self.store.keep_class_names(seen.live.model.sha256, {each.class_id: each.label for each in everything})

    def make_pass(self) -> Pass:
        """Looks once, keeps it, judges it, and tells what turned."""
        seen = self._with_drift(observe(self.client, self.images, model=self.model, truth=self.truth))
        seen = replace(seen, platform=self.platform())
        self._learn_class_names(seen)
        self.store.add(seen)
        broken, states = broken_rules(seen, self.limits), self.store.rule_states(seen.url)
        transitions: list[AlertTransition] = []
        problems: list[str] = []
        for rule in RULES:
            before = states.get(rule) or RuleState(rule)
            after, transition = next_state(before, broken.get(rule), at=seen.at, alert_after=self.alert_after)
            # Kept before it is told: a kill in between loses one alert, the other order would repeat it.
            if after != before:
                self.store.keep_rule_state(seen.url, after)
            if transition is not None:
                transitions.append(transition)
                problems += self.alerting.tell(transition, seen.url)
        return Pass(seen, broken, tuple(transitions), tuple(problems))


def times_of(every_s: float | None, for_s: float | None) -> Iterator[int]:
    """Gives a number at each time when a pass is due, waiting in between; once where no distance is given.

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
