"""Two faults of correctness that deserve a name of their own: swapped channels and crossed answers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from imgcls_client.suite.check import Check, CheckSkippedError, require
from imgcls_client.suite.checks.channel_swap import swap_red_and_blue
from imgcls_client.suite.checks.comparison import TELLS_APART, golden_difference, largest_difference, shorten
from imgcls_client.suite.deployment import Deployment, packaged_image

_GROUP = "correctness"
_CALLS_AT_ONCE = 16
_ROUNDS = 8
# Channels are swapped in all images or in none.
_MOST_CASES = 4
_OWN_IMAGES = ("image.png", "gray.png", "transparent.png", "turned_untagged.jpg")


def _channel_order(deployment: Deployment) -> str:
    """Sends golden images with red and blue exchanged: only a service that reads BGR likes them better."""
    plain: list[float] = []
    swapped: list[float] = []
    for case in deployment.golden.cases[:_MOST_CASES]:
        exchanged = swap_red_and_blue(case.image)
        if exchanged is not None:
            plain.append(golden_difference(case, deployment.vector(case.image)))
            swapped.append(golden_difference(case, deployment.vector(exchanged)))
    if not plain:
        raise CheckSkippedError("no golden case is an 8-bit PNG; golden_probabilities alone shows swapped channels")
    as_sent, as_exchanged = sum(plain) / len(plain), sum(swapped) / len(swapped)
    if max(as_sent, as_exchanged) < TELLS_APART:
        raise CheckSkippedError("the golden images look the same with red and blue exchanged")
    require(
        as_sent <= deployment.golden.tolerance or as_exchanged > as_sent / 2,
        f"images fit PyTorch's answers better with red and blue exchanged (mean |Δp| {as_exchanged:.2g} against "
        f"{as_sent:.2g}): the service reads BGR",
    )
    return f"mean |Δp| to PyTorch {as_sent:.1g}, with red and blue exchanged {as_exchanged:.2g}"


def _answers_not_crossed(deployment: Deployment) -> str:
    """Asks for different images at once and compares each answer with the one it gets alone."""
    images = {case.name: case.image for case in deployment.golden.cases}
    images |= {name: packaged_image(name) for name in _OWN_IMAGES}
    alone = {name: deployment.vector(image) for name, image in images.items()}
    questions = [name for _ in range(_ROUNDS) for name in images]
    with ThreadPoolExecutor(_CALLS_AT_ONCE) as threads:
        answers = list(threads.map(deployment.vector, [images[name] for name in questions]))
    crossed: list[str] = []
    for name, answer in zip(questions, answers, strict=True):
        if largest_difference(answer, alone[name]) > TELLS_APART:
            whose = [other for other in images if largest_difference(answer, alone[other]) <= TELLS_APART]
            crossed.append(f"{name} got the answer of {whose[0] if whose else 'nobody'}")
    count = len(questions)
    require(not crossed, f"{len(crossed)} of {count} answers under load differ: {shorten(sorted(set(crossed)))}")
    return f"{count} answers, {_CALLS_AT_ONCE} at once, each as when asked alone"


CHECKS: tuple[Check, ...] = (
    Check(_GROUP, "channel_order", "Images are read as RGB, not BGR.", _channel_order),
    Check(
        _GROUP,
        "answers_not_crossed",
        "Under load every caller gets the answer to their own image.",
        _answers_not_crossed,
    ),
)
