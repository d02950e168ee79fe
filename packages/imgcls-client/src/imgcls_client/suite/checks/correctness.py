"""Does the deployment answer as PyTorch did, whichever way an image reaches it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from imgcls_contract import GoldenCaseReply, Prediction

from imgcls_client.http.calls import SentAs
from imgcls_client.predict.classification import classify
from imgcls_client.predict.image_sources import find_images
from imgcls_client.suite.check import Check, CheckSkippedError, require
from imgcls_client.suite.checks.comparison import (
    NEARLY_SAME_PIXELS_TOLERANCE,
    SAME_PIXELS_TOLERANCE,
    TELLS_APART,
    golden_difference,
    largest_difference,
    shorten,
)
from imgcls_client.suite.deployment import Deployment, packaged_image

_GROUP = "correctness"
# Rounding of a float32 vector of 21,000 classes stays far below.
_SUM_TOLERANCE = 1e-3
_CALLS_AT_ONCE = 8


def _golden_answers(deployment: Deployment) -> Iterator[tuple[GoldenCaseReply, Prediction]]:
    """Asks every golden case.

    Raises:
        CheckSkippedError: the model has none.
    """
    if not deployment.golden.cases:
        raise CheckSkippedError("the model carries no golden cases")
    for case in deployment.golden.cases:
        yield case, deployment.vector(case.image)


def _golden_classes(deployment: Deployment) -> str:
    wrong = [
        f"{case.name}: {answer.class_id} instead of {case.top[0].class_id}"
        for case, answer in _golden_answers(deployment)
        if answer.class_id != case.top[0].class_id
    ]
    count = len(deployment.golden.cases)
    require(not wrong, f"{len(wrong)} of {count} golden cases get another class than from PyTorch: {shorten(wrong)}")
    return f"{count} of {count} golden cases get PyTorch's class"


def _golden_probabilities(deployment: Deployment) -> str:
    tolerance = deployment.golden.tolerance
    differences = {case.name: golden_difference(case, answer) for case, answer in _golden_answers(deployment)}
    wrong = [f"{name}: {found:.2g}" for name, found in differences.items() if found > tolerance]
    require(
        not wrong, f"max |Δp| to PyTorch is above {tolerance:g} on {len(wrong)} of {len(differences)}: {shorten(wrong)}"
    )
    return (
        f"max |Δp| to PyTorch {max(differences.values()):.2g}, tolerance {tolerance:g} ({deployment.golden.precision})"
    )


def _golden_labels(deployment: Deployment) -> str:
    wrong: list[str] = []
    compared = 0
    for case in deployment.golden.cases:
        answer = deployment.client.predict(case.image, top_k=len(case.top))
        named = {score.class_id: score.label for score in answer.top}
        for score in case.top:
            if score.class_id in named:
                compared += 1
                if named[score.class_id] != score.label:
                    wrong.append(f"{score.class_id} is {named[score.class_id]!r} instead of {score.label!r}")
    if not compared:
        raise CheckSkippedError("no golden class came back to compare")
    require(not wrong, f"{len(wrong)} of {compared} labels differ from the artifact's: {shorten(wrong)}")
    return f"{compared} labels are the artifact's"


def _labelled_cases(deployment: Deployment) -> str:
    if not deployment.options.cases:
        raise CheckSkippedError("no --cases given")
    expected = {str(case.path): case.class_id for case in deployment.options.cases}
    wrong: list[str] = []
    for outcome in classify(deployment.client, find_images(expected), in_flight=_CALLS_AT_ONCE):
        if outcome.prediction is None:
            wrong.append(f"{outcome.source}: {outcome.error}")
        elif outcome.prediction.class_id != expected[outcome.source]:
            found = outcome.prediction
            wrong.append(f"{outcome.source}: {found.class_id} {found.label!r} instead of {expected[outcome.source]}")
    right, count = len(expected) - len(wrong), len(expected)
    least = deployment.options.min_accuracy
    summary = f"{right} of {count} right ({right / count:.1%}), asked for {least:.1%} (--min-accuracy)"
    require(right / count >= least, f"{summary}; wrong: {shorten(wrong)}")
    return summary


def _probabilities_sum_to_one(deployment: Deployment) -> str:
    vector = deployment.vector(packaged_image("image.png")).probabilities or ()
    require(bool(vector), "the answer has no `probabilities` although they were asked for")
    require(all(0 <= p <= 1 for p in vector), f"probabilities from {min(vector):g} to {max(vector):g}, not 0 to 1")
    require(abs(sum(vector) - 1) <= _SUM_TOLERANCE, f"the probabilities sum to {sum(vector):.6f}")
    return f"{len(vector)} probabilities sum to {sum(vector):.6f}"


def _whole_vector(deployment: Deployment) -> str:
    """Compares a whole vector with the model's number of classes and with the answer's own top."""
    answer = deployment.vector(packaged_image("image.png"))
    vector = answer.probabilities or ()
    model = deployment.health.model
    expected = None if model is None else model.classes
    require(
        expected is None or len(vector) == expected, f"{len(vector)} probabilities, but /health says {expected} classes"
    )
    require(bool(vector), "the answer has no `probabilities` although they were asked for")
    require(
        vector[answer.class_id] == max(vector), f"class_id {answer.class_id} is not the most probable of the vector"
    )
    scores = [score.probability for score in answer.top]
    require(scores == sorted(scores, reverse=True), "`top` is not sorted, best first")
    require(answer.top[0].class_id == answer.class_id, "`class_id` is not the first of `top`")
    return f"{len(vector)} classes, the best is class_id {answer.class_id}"


def _same_pixels(*pairs: tuple[str, str], tolerance: float) -> Callable[[Deployment], str]:

    def run(deployment: Deployment) -> str:
        found: list[str] = []
        for name, reference in pairs:
            answer, expected = (deployment.vector(packaged_image(each)) for each in (name, reference))
            difference = largest_difference(answer, expected)
            require(
                difference <= tolerance, f"{name} is {difference:.2g} away from {reference}, allowed is {tolerance:g}"
            )
            found.append(f"{name} {difference:.1g}")
        return f"max |Δp|: {', '.join(found)}"

    return run


def _three_ways(deployment: Deployment) -> str:
    """Sends one image raw, as multipart and as base64."""
    image = packaged_image("image.png")
    ways: tuple[SentAs, ...] = ("raw", "multipart", "base64")
    raw, *others = (deployment.vector(image, sent_as=way) for way in ways)
    for way, answer in zip(ways[1:], others, strict=True):
        difference = largest_difference(raw, answer)
        require(difference <= SAME_PIXELS_TOLERANCE, f"{way} is {difference:.2g} away from raw")
    return "raw, multipart and base64 get the same answer"


def _orientation(deployment: Deployment) -> str:
    """Sends an image upright, turned with the EXIF tag that says so, and turned without it."""
    upright, tagged, untagged = (
        deployment.vector(packaged_image(name)) for name in ("upright.jpg", "turned.jpg", "turned_untagged.jpg")
    )
    to_upright, effect = largest_difference(tagged, upright), largest_difference(untagged, upright)
    if effect < TELLS_APART:
        raise CheckSkippedError(f"this model hardly sees a turned image differently (max |Δp| {effect:.2g})")
    require(
        to_upright < effect / 2,
        f"a photo with an EXIF turn is answered as lying on its side (max |Δp| to the upright one {to_upright:.2g})",
    )
    return f"max |Δp| to the upright image {to_upright:.1g}, when turned {effect:.2g}"


def _top_k(deployment: Deployment) -> str:
    image = packaged_image("image.png")
    for asked in (1, 2):
        got = len(deployment.client.predict(image, top_k=asked).top)
        require(got == asked, f"top_k={asked} gave {got} classes")
    return "top_k is honoured"


CHECKS: tuple[Check, ...] = (
    Check(_GROUP, "golden_classes", "Every golden case gets the class that PyTorch gave it.", _golden_classes),
    Check(_GROUP, "golden_probabilities", "Every golden case is within tolerance of PyTorch.", _golden_probabilities),
    Check(_GROUP, "golden_labels", "Class ids carry the artifact's names.", _golden_labels),
    Check(_GROUP, "labelled_cases", "The user's labelled images get their classes.", _labelled_cases),
    Check(_GROUP, "probabilities_sum_to_one", "An answer is a distribution.", _probabilities_sum_to_one),
    Check(_GROUP, "whole_vector", "The whole vector has the model's length and order.", _whole_vector),
    Check(_GROUP, "top_k", "As many classes come as were asked for.", _top_k),
    Check(_GROUP, "three_ways", "Raw, multipart and base64 mean the same.", _three_ways),
    Check(
        _GROUP,
        "lossless_formats",
        "The same pixels as PNG, WebP, BMP and TIFF get the same answer.",
        _same_pixels(
            ("image.webp", "image.png"),
            ("image.bmp", "image.png"),
            ("image.tiff", "image.png"),
            tolerance=SAME_PIXELS_TOLERANCE,
        ),
    ),
    Check(
        _GROUP,
        "jpeg",
        "A good JPEG gets nearly the answer of its pixels.",
        _same_pixels(("image.jpg", "image.png"), tolerance=NEARLY_SAME_PIXELS_TOLERANCE),
    ),
    Check(_GROUP, "orientation", "A phone's photo is seen upright.", _orientation),
    Check(
        _GROUP,
        "colour_modes",
        "Grayscale, 16 bits, transparency and animations become the RGB that they look like.",
        _same_pixels(
            ("gray.png", "gray_as_rgb.png"),
            ("gray_16_bit.png", "gray_as_rgb.png"),
            ("transparent.png", "transparent_over_white.png"),
            ("animated.gif", "first_frame.png"),
            tolerance=SAME_PIXELS_TOLERANCE,
        ),
    ),
    Check(
        _GROUP,
        "cmyk",
        "A CMYK JPEG is not seen as a negative.",
        _same_pixels(("cmyk.jpg", "cmyk_as_rgb.png"), tolerance=NEARLY_SAME_PIXELS_TOLERANCE),
    ),
)
