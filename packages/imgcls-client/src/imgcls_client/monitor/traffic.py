"""Which classes all callers got, from the service's own counters at `GET /metrics`."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from imgcls_client.calls import Call
from imgcls_client.client import ImgclsClient
from imgcls_client.errors import ImgclsClientError

__all__ = ["ClassTotals", "answers_between", "parse_class_totals", "read_class_totals"]

COUNTER = "imgcls_predictions_total"
SAMPLE = re.compile(rf"{COUNTER}\{{(?P<labels>.*)\}} (?P<value>[0-9.eE+-]+)(?: \d+)?$")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ClassTotals:
    """How often each class was answered since the service started, and the classes' names."""

    totals: Mapping[int, float]
    labels: Mapping[int, str]


def read_class_totals(client: ImgclsClient) -> ClassTotals | None:
    """Read the counters, or None where the service does not show them.

    They are a bonus: a service without them, or one that is away, is judged by other means.
    """
    try:
        answer = client.send(Call("GET", "/metrics"))
    except ImgclsClientError:
        return None
    return parse_class_totals(answer.body.decode("utf-8", "replace"))


def parse_class_totals(text: str) -> ClassTotals | None:
    """Find the counters in Prometheus' text format; those of several models are added up.

    None means that the service has no such counters, and empty ones that nobody has asked yet.
    """
    totals: Counter[int] = Counter()
    labels: dict[int, str] = {}
    for line in text.splitlines():
        found = SAMPLE.match(line)
        if found is None:
            continue
        fields: dict[str, str] = dict(LABEL.findall(found["labels"]))
        if fields.get("class_id", "").isdecimal():
            class_id = int(fields["class_id"])
            totals[class_id] += int(float(found["value"]))
            labels[class_id] = re.sub(r"\\(.)", r"\1", fields.get("label", ""))
    return ClassTotals(totals, labels) if COUNTER in text else None


def answers_between(before: Mapping[int, float], now: Mapping[int, float], own: Mapping[int, int]) -> dict[int, float]:
    """Count the answers between two readings, less the monitor's own.

    A counter that went down means that the service was restarted in between, and the later reading is all there is.
    """
    was_restarted = any(now.get(each, 0) < total for each, total in before.items())
    base: Mapping[int, float] = {} if was_restarted else before
    found = {each: total - base.get(each, 0) for each, total in now.items()}
    if not was_restarted:
        found = {each: count - own.get(each, 0) for each, count in found.items()}
    return {each: count for each, count in found.items() if count > 0}
