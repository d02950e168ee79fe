from __future__ import annotations

import json
import random
from collections.abc import Mapping

import msgspec
import pytest
from imgcls_contract import FAULTS, Counterfactual, FaultyAnswer, GoldenCaseReply, ObservedCase, explain

NAMES = ("channels_exchanged", "no_antialias", "mirrored", "softmax_twice")
Vector = list[float]


def _top(vector: Vector, k: int = 5) -> dict[int, float]:
    return {i: vector[i] for i in sorted(range(len(vector)), key=lambda i: -vector[i])[:k]}


def _vector(source: random.Random, classes: int = 20) -> Vector:
    powers = [source.expovariate(1) ** 6 for _ in range(classes)]
    return [power / sum(powers) for power in powers]


def _cases(fault: str | None, *, wrong: int = 16, whole: bool = True, noise: float = 0.0) -> list[ObservedCase]:
    """Sixteen images; the first of them are answered as under the fault, the others rightly."""
    source = random.Random(3)  # noqa: S311 - the same images every time
    cases: list[ObservedCase] = []
    for i in range(16):
        right = _vector(source)
        answers: Mapping[str, Vector] = {name: _vector(source) for name in NAMES[:3]} | {"softmax_twice": [0.05] * 20}
        observed = answers.get(fault or "", _vector(source)) if i < wrong else right
        observed = [value + noise for value in observed]
        cases.append(
            ObservedCase(
                _top(right),
                [
                    Counterfactual(name, tuple(FaultyAnswer(*pair) for pair in _top(vector).items()))
                    for name, vector in answers.items()
                ],
                dict(enumerate(observed)) if whole else _top(observed),
            )
        )
    return cases


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("fault", NAMES)
def test_wrong_answers_are_explained_by_their_fault(fault: str, whole: bool) -> None:
    explanation = explain(_cases(fault, whole=whole), tolerance=1e-4)
    assert explanation is not None
    assert explanation.text == f"16 of 16 answers are those of: {FAULTS[fault]}"


def test_right_answers_beside_the_wrong_ones_are_left_aside() -> None:
    explanation = explain(_cases("mirrored", wrong=5), tolerance=1e-4)
    assert explanation is not None
    assert (explanation.fault, explanation.matching, explanation.cases) == ("mirrored", 5, 5)


@pytest.mark.parametrize("whole", [True, False])
def test_what_no_fault_explains_has_no_explanation(whole: bool) -> None:
    assert explain(_cases(None, whole=whole), tolerance=1e-4) is None
    assert explain(_cases(None, wrong=0), tolerance=1e-4) is None
    assert explain([], tolerance=1e-4) is None


def test_fewer_than_half_of_the_wrong_answers_explain_nothing() -> None:
    cases = _cases("mirrored", wrong=7)[:7] + _cases(None)[7:15]
    assert explain(cases, tolerance=1e-4) is None


def test_cases_that_do_not_know_the_fault_say_nothing_against_it() -> None:
    cases = _cases("mirrored")
    without = [
        ObservedCase(case.expected, [one for one in case.counterfactuals if one.fault != "mirrored"], case.observed)
        for case in cases[:12]
    ]
    explanation = explain([*without, *cases[12:]], tolerance=1e-4)
    assert explanation is not None
    assert explanation.text == "4 of 4 answers are those of: mirrored"


def test_quantised_answers_are_explained_within_their_own_tolerance() -> None:
    assert explain(_cases("channels_exchanged", noise=0.03), tolerance=1e-4) is None
    explanation = explain(_cases("channels_exchanged", noise=0.03), tolerance=0.05)
    assert explanation is not None
    assert explanation.fault == "channels_exchanged"


def test_two_faults_that_cannot_be_told_apart_are_not_named() -> None:
    twins = [
        ObservedCase(
            case.expected,
            [Counterfactual(name, case.counterfactuals[0].top) for name in ("mirrored", "transposed")],
            {answer.class_id: answer.probability for answer in case.counterfactuals[0].top},
        )
        for case in _cases("channels_exchanged")
    ]
    assert explain(twins, tolerance=1e-4) is None


@pytest.mark.parametrize(("observed", "named"), [(0.895, True), (0.897, False)])
def test_a_fault_that_hardly_changes_the_answer_is_named_when_it_is_met_exactly(observed: float, named: bool) -> None:
    near = ObservedCase(
        {0: 0.9, 1: 0.1}, [Counterfactual("nearest", (FaultyAnswer(0, 0.895),))], {0: observed, 1: 1 - observed}
    )
    assert (explain([near], tolerance=1e-4) is not None) is named


def test_golden_cases_carry_vector_and_counterfactuals_and_old_ones_do_not() -> None:
    old: dict[str, object] = {"name": "a.png", "image_base64": "AA==", "top": [], "expected_class_id": None}
    case = msgspec.json.decode(json.dumps(old).encode(), type=GoldenCaseReply)
    assert (case.vector_base64, case.counterfactuals) == (None, ())
    logits = {"fault": "logits", "top": [{"class_id": 3, "probability": 12.5}]}
    case = msgspec.json.decode(json.dumps({**old, "counterfactuals": [logits]}).encode(), type=GoldenCaseReply)
    assert json.loads(msgspec.json.encode(case)) == {**old, "counterfactuals": [logits]}
