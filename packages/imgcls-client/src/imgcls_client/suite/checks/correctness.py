"""Does the deployment answer as PyTorch did, and as one distribution over the model's classes?"""

from __future__ import annotations

from collections.abc import Sequence

from imgcls_contract import Accuracy, GoldenCaseReply

from imgcls_client.predict.classification import classify
from imgcls_client.predict.image_sources import find_images
from imgcls_client.suite.check import CheckGroup, CheckSkippedError, require
from imgcls_client.suite.checks.comparison import explanation, golden_difference, shorten, whole
from imgcls_client.suite.deployment import Deployment, packaged_image

GROUP = CheckGroup("correctness")
# Rounding of a float32 vector of 21,000 classes stays far below.
_SUM_TOLERANCE = 1e-3
_CALLS_AT_ONCE = 8


def _golden_vectors(deployment: Deployment) -> tuple[Sequence[GoldenCaseReply], list[list[float]]]:
    if not deployment.golden.cases:
        raise CheckSkippedError("the model carries no golden cases")
    return deployment.golden.cases, [whole(answer) for answer in deployment.golden_answers]


def _explained(deployment: Deployment, vectors: Sequence[Sequence[float]]) -> str:
    golden = deployment.golden
    return explanation(golden.cases, [dict(enumerate(each)) for each in vectors], tolerance=golden.tolerance)


@GROUP.check("Every golden case gets the class that PyTorch gave it.")
def _golden_classes(deployment: Deployment) -> str:
    cases, vectors = _golden_vectors(deployment)
    wrong = [
        f"{case.name}: {answer.class_id} instead of {case.top[0].class_id}"
        for case, answer in zip(cases, deployment.golden_answers, strict=True)
        if answer.class_id != case.top[0].class_id
    ]
    require(
        not wrong,
        f"{len(wrong)} of {len(cases)} golden cases get another class than from PyTorch: {shorten(wrong)}"
        f"{_explained(deployment, vectors)}",
    )
    return f"{len(cases)} of {len(cases)} golden cases get PyTorch's class"


@GROUP.check("Every golden case is within tolerance of PyTorch.")
def _golden_probabilities(deployment: Deployment) -> str:
    cases, vectors = _golden_vectors(deployment)
    golden = deployment.golden
    differences = {case.name: golden_difference(case, vector) for case, vector in zip(cases, vectors, strict=True)}
    wrong = [f"{name}: {found:.2g}" for name, found in differences.items() if not found <= golden.tolerance]
    require(
        not wrong,
        f"max |Δp| to PyTorch is above {golden.tolerance:g} on {len(wrong)} of {len(cases)}: {shorten(wrong)}"
        f"{_explained(deployment, vectors)}",
    )
    return f"max |Δp| to PyTorch {max(differences.values()):.2g}, tolerance {golden.tolerance:g} ({golden.precision})"


@GROUP.check("Class ids carry the artifact's names.")
def _golden_labels(deployment: Deployment) -> str:
    expected = {each.class_id: each.label for case in deployment.golden.cases for each in case.top}
    if deployment.truth is not None:
        expected = dict(enumerate(deployment.truth.labels))
    if not expected:
        raise CheckSkippedError("the model carries no golden cases")
    image = deployment.golden.cases[0].image if deployment.golden.cases else packaged_image("image.png")
    count = len(whole(deployment.vector(image)))
    actual = {each.class_id: each.label for each in deployment.predict(image, top_k=count).top}
    wrong = {each for each, label in expected.items() if actual.get(each) != label}
    shifts = [
        by
        for by in (1, -1)
        if all(
            actual.get(each) == expected.get(each + by, label)
            for each, label in ((each, actual.get(each)) for each in wrong)
        )
    ]
    shifted = "; labels are shifted by one" if len(wrong) > 1 and len(shifts) == 1 else ""
    named = [f"{each} is {actual.get(each)!r} instead of {expected[each]!r}" for each in sorted(wrong)]
    require(not wrong, f"{len(wrong)} of {len(expected)} labels differ from the artifact's: {shorten(named)}{shifted}")
    return f"{len(expected)} labels are the artifact's"


@GROUP.check("The user's labelled images get their classes.")
def _labelled_cases(deployment: Deployment) -> str:
    if not deployment.options.cases:
        raise CheckSkippedError("no --cases given")
    expected = {str(case.path): case.class_id for case in deployment.options.cases}
    wrong: list[str] = []
    sources = find_images(expected)
    for outcome in classify(deployment.client, sources, in_flight=_CALLS_AT_ONCE, model=deployment.model):
        if outcome.prediction is None:
            wrong.append(f"{outcome.source}: {outcome.error}")
        elif outcome.prediction.class_id != expected[outcome.source]:
            found = outcome.prediction
            wrong.append(f"{outcome.source}: {found.class_id} {found.label!r} instead of {expected[outcome.source]}")
    found = Accuracy(len(expected) - len(wrong), len(expected), "--cases")
    least = deployment.options.min_accuracy
    claimed = deployment.claimed_accuracy
    if least is not None:
        enough, asked = found.right / found.images >= least, f"asked for {least:.1%} (--min-accuracy)"
    elif claimed is not None:
        # Both are samples: only what chance does not explain is a failure.
        enough = found.interval[1] >= claimed.interval[0]
        asked = f"the artifact says {claimed.text}"
    else:
        missed = f"; wrong: {shorten(wrong)}" if wrong else ""
        raise CheckSkippedError(
            f"{found.text}; the artifact says nothing of its accuracy, --min-accuracy sets a limit{missed}"
        )
    require(enough, f"{found.text}, {asked}; wrong: {shorten(wrong)}")
    return f"{found.text}, {asked}"


@GROUP.check("An answer is a distribution.")
def _probabilities_sum_to_one(deployment: Deployment) -> str:
    vector = whole(deployment.vector(packaged_image("image.png")))
    require(bool(vector), "the answer has an empty vector")
    require(all(0 <= p <= 1 for p in vector), f"probabilities from {min(vector):g} to {max(vector):g}, not 0 to 1")
    require(abs(sum(vector) - 1) <= _SUM_TOLERANCE, f"the probabilities sum to {sum(vector):.6f}")
    return f"{len(vector)} probabilities sum to {sum(vector):.6f}"


@GROUP.check("The whole vector has the model's length and order.")
def _whole_vector(deployment: Deployment) -> str:
    answer = deployment.vector(packaged_image("image.png"))
    vector = whole(answer)
    require(bool(vector), "the answer has an empty vector")
    expected = deployment.identity.classes
    require(expected is None or len(vector) == expected, f"{len(vector)} probabilities of {expected} classes")
    require(
        vector[answer.class_id] == max(vector), f"class_id {answer.class_id} is not the most probable of the vector"
    )
    scores = [score.probability for score in answer.top]
    require(scores == sorted(scores, reverse=True), "`top` is not sorted, best first")
    require(answer.top[0].class_id == answer.class_id, "`class_id` is not the first of `top`")
    return f"{len(vector)} classes, the best is class_id {answer.class_id}"
