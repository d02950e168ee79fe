"""Faults of answers: labels, probabilities, order, other people's answers, and lies about the model."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from messages import Answer, Request

Document = dict[str, Any]


@dataclass
class Truth:
    """What a liar knows of the right model, and what it has answered so far.

    Args:
        labels: by class id.
        stored: SHA-256 of the images that it was prepared for.
        last: by target, the answer before.
        calls: so far.
    """

    labels: list[str]
    stored: frozenset[str] = frozenset()
    last: dict[str, Answer] = field(default_factory=dict[str, Answer])
    calls: int = 0


Change = Callable[[Truth, Request, Answer], Answer]


def _answers(document: Document) -> list[Document]:
    """Finds the answers for single images in a reply of /predict or /predict/batch."""
    found = document.get("results", [document])
    return [one for one in found if "top" in one]


def _each(change: Callable[[Truth, Document], None], ways: frozenset[str] | None = None) -> Change:
    """Changes every answer for an image, on all ways or on some."""

    def alter(truth: Truth, sent: Request, answer: Answer) -> Answer:
        document = answer.document()
        if answer.status != 200 or sent.way == "" or sent.way.startswith("v2") or document is None:
            return answer
        if ways is not None and sent.way not in ways:
            return answer
        for one in _answers(document):
            change(truth, one)
        return answer.with_document(document)

    return alter


def _rows(change: Callable[[np.ndarray], np.ndarray], way: str = "v2") -> Change:
    def alter(_: Truth, sent: Request, answer: Answer) -> Answer:
        return answer.with_rows(change) if sent.way.startswith(way) and answer.status == 200 else answer

    return alter


def _first(one: Document) -> None:
    best = one["top"][0]
    one.update(class_id=best["class_id"], label=best["label"], probability=best["probability"])


def _relabel(rule: Callable[[int, list[str]], str]) -> Callable[[Truth, Document], None]:
    def change(truth: Truth, one: Document) -> None:
        for entry in one["top"]:
            entry["label"] = rule(entry["class_id"], truth.labels)
        _first(one)

    return change


def _renumber(rule: Callable[[int, int], int]) -> Callable[[Truth, Document], None]:
    def change(truth: Truth, one: Document) -> None:
        for entry in one["top"]:
            entry["class_id"] = rule(entry["class_id"], len(truth.labels))
            entry["label"] = truth.labels[entry["class_id"]]
        _first(one)

    return change


def _reshape(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Truth, Document], None]:
    """Changes probabilities, of the whole vector where it is there and of the best classes."""

    def alter(_: Truth, one: Document) -> None:
        top = change(np.array([entry["probability"] for entry in one["top"]], float))
        for entry, value in zip(one["top"], top, strict=True):
            entry["probability"] = float(value)
        if one.get("probabilities"):
            one["probabilities"] = [float(value) for value in change(np.array(one["probabilities"], float))]
        _first(one)

    return alter


def _softmax(values: np.ndarray) -> np.ndarray:
    raised = np.exp(values - values.max())
    return raised / raised.sum()


def _second_first(_: Truth, one: Document) -> None:
    if len(one["top"]) > 1:
        one["top"][:2] = one["top"][1::-1]
        _first(one)


def _exchange_rows(_: Truth, one: Document) -> None:
    if vector := one.get("probabilities"):
        vector[-1], vector[-2] = vector[-2], vector[-1]


def _batch(change: Callable[[list[Document]], list[Document]]) -> Change:
    def alter(_: Truth, sent: Request, answer: Answer) -> Answer:
        document = answer.document()
        if not sent.way.startswith("batch") or answer.status != 200 or document is None:
            return answer
        return answer.with_document({**document, "results": change(document["results"])})

    return alter


def _shifted_past_bad(results: list[Document]) -> list[Document]:
    """Leaves out the bad slot and repeats the last: what follows it answers for its neighbour."""
    good = [one for one in results if "error" not in one]
    bad = [one for one in results if "error" in one]
    return [*good, *bad]


def _crossed(truth: Truth, sent: Request, answer: Answer) -> Answer:
    """Gives every seventh caller the answer of the one before."""
    if sent.way not in {"plain", "vector", "top_k"} or answer.status != 200:
        return answer
    truth.calls += 1
    before = truth.last.get(sent.target)
    truth.last[sent.target] = answer
    return before if before is not None and truth.calls % 7 == 0 else answer


def _stuck(truth: Truth, sent: Request, answer: Answer) -> Answer:
    """Gives every image the first image's answer."""
    return answer if sent.way == "" or answer.status != 200 else truth.last.setdefault(sent.target, answer)


def _stored(truth: Truth, sent: Request, answer: Answer) -> Answer:
    """Gives random answers to all images that it was not prepared for: a cache of the golden images alone is right."""
    if sent.way not in {"plain", "vector", "top_k"} or answer.status != 200:
        return answer
    document = answer.document()
    if hashlib.sha256(sent.body).hexdigest() in truth.stored or document is None:
        return answer
    dice = random.Random(sent.body[:4096])  # noqa: S311 - a liar's dice
    order = list(range(len(truth.labels)))
    dice.shuffle(order)
    if document.get("probabilities"):
        document["probabilities"] = [document["probabilities"][at] for at in order]
    for entry in document["top"]:
        entry["class_id"] = order.index(entry["class_id"])
        entry["label"] = truth.labels[entry["class_id"]]
    _first(document)
    return answer.with_document(document)


def _top_k_ignored(_: Truth, sent: Request, answer: Answer) -> Answer:
    document = answer.document()
    if sent.way != "top_k" or answer.status != 200 or document is None:
        return answer
    return answer.with_document({**document, "top": document["top"][:1]})


def _golden(change: Callable[[Document], None]) -> Change:
    def alter(_: Truth, sent: Request, answer: Answer) -> Answer:
        document = answer.document()
        if sent.path != "/golden" or answer.status != 200 or document is None:
            return answer
        change(document)
        return answer.with_document(document)

    return alter


def _golden_shuffled(document: Document) -> None:
    tops = [case["top"] for case in document["cases"]]
    for case, top in zip(document["cases"], tops[1:] + tops[:1], strict=True):
        case["top"] = top


def _other_sha(_: Truth, __: Request, answer: Answer) -> Answer:
    return _replace_everywhere(answer, lambda truth_sha: hashlib.sha256(truth_sha.encode()).hexdigest())


def _replace_everywhere(answer: Answer, new: Callable[[str], str]) -> Answer:
    def walk(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
        if isinstance(value, list):
            return [walk(one) for one in value]
        if isinstance(value, dict):
            return {
                key: new(one) if key == "sha256" and isinstance(one, str) else walk(one) for key, one in value.items()
            }
        return value

    document = answer.document()
    return answer if document is None else answer.with_document(walk(document))


def pretends(golden: bytes, own_sha256: str, right_sha256: str) -> Change:
    """Makes a liar that runs one model and gives the golden cases and the SHA-256 of another."""

    def alter(_: Truth, sent: Request, answer: Answer) -> Answer:
        said = golden if sent.path == "/golden" else answer.body.replace(own_sha256.encode(), right_sha256.encode())
        return Answer(answer.status, answer.headers, said)

    return alter


_PLAIN = frozenset({"plain", "top_k", "multipart", "base64", "data_uri"})
_reverse = _rows(lambda rows: rows[:, ::-1])

# name → what is done, and the counterfactual that names it ("" where there is none)
ANSWER_FAULTS: dict[str, tuple[Change, str]] = {
    "labels shifted up": (_each(_relabel(lambda at, labels: labels[(at + 1) % len(labels)])), ""),
    "labels shifted down": (_each(_relabel(lambda at, labels: labels[at - 1])), ""),
    "one label wrong": (_each(_relabel(lambda at, labels: "something else" if at == 0 else labels[at])), ""),
    "two labels exchanged": (_each(_relabel(lambda at, labels: labels[{0: 1, 1: 0}.get(at, at)])), ""),
    "class ids shifted up": (_each(_renumber(lambda at, count: (at + 1) % count)), "labels_shifted_up"),
    "class ids shifted down": (_each(_renumber(lambda at, count: (at - 1) % count)), "labels_shifted_down"),
    "softmax applied twice": (_each(_reshape(_softmax)), "softmax_twice"),
    "temperature 2": (_each(_reshape(lambda v: np.sqrt(v) / np.sqrt(v).sum())), ""),
    "probabilities in percent": (_each(_reshape(lambda v: v * 100)), ""),
    "probabilities a tenth too small": (_each(_reshape(lambda v: v * 0.9)), ""),
    "probabilities rounded to one digit": (_each(_reshape(lambda v: np.round(v, 1))), ""),
    "vector not in order": (_each(_reshape(lambda v: np.sort(v)[::-1])), ""),
    "two rows of the vector exchanged": (_each(_exchange_rows), ""),
    "wrong only without the vector": (_each(_second_first, _PLAIN), ""),
    "other probabilities only without the vector": (_each(_reshape(lambda v: v * 0.9), _PLAIN), ""),
    "second best as best": (_each(_second_first), ""),
    "top_k ignored": (_top_k_ignored, ""),
    "batch reversed": (_batch(lambda results: results[::-1]), ""),
    "batch: the first for all": (_batch(lambda results: [results[0]] * len(results)), ""),
    "batch: shifted past a bad slot": (_batch(_shifted_past_bad), ""),
    "batch: the last left out": (_batch(lambda results: results[:-1]), ""),
    "v2: rows reversed": (_reverse, ""),
    "v2: JSON reversed alone": (_rows(lambda rows: rows[:, ::-1], "v2_json"), ""),
    "v2: binary reversed alone": (_rows(lambda rows: rows[:, ::-1], "v2_binary"), ""),
    "v2: logits": (_rows(lambda rows: np.log(rows + 1e-9)), ""),
    "v2: classes shifted": (_rows(lambda rows: np.roll(rows, 1, axis=1)), ""),
    "every seventh answer is another's": (_crossed, ""),
    "the first answer for all": (_stuck, ""),
    "cache: prepared for the golden and the suite's images": (_stored, ""),
    "golden emptied": (_golden(lambda document: document.update(cases=[])), ""),
    "golden answers of other images": (_golden(_golden_shuffled), ""),
    "another sha256": (_other_sha, ""),
}
