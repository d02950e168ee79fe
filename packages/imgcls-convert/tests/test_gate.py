"""What the gate lets pass: float32's own rounding, and no other computation."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from imgcls_cli.progress import SilentProgress
from imgcls_convert.errors import ParityError
from imgcls_convert.images.files import LoadedImage
from imgcls_convert.images.selection import ImageSelection
from imgcls_convert.parity.comparison import Evidence
from imgcls_convert.parity.gate import Gate

OFF = 2e-5  # beyond what passes unasked, and nowhere near another class


def admitted(
    colours, *, rounding: float, off: float = OFF, golden: int = 0, otherwise: float = 0, asked: list[int] | None = None
) -> float:
    """Gives the tolerance that an artifact passed with, `off` from a PyTorch that itself is `rounding` from float64.

    Summed in another order, PyTorch is `otherwise` from it. `asked` takes how many images each question was about.
    """
    classifier = colours.classifier()
    cases = classifier.metadata.golden
    images = [LoadedImage(case.name, base64.b64decode(case.image_base64)) for case in cases]
    right = np.stack([np.frombuffer(case.vector, "<f4") for case in cases])
    answers = right + np.float32(off) * np.where(np.arange(right.shape[1]) % 2, 1, -1).astype(np.float32)
    exact = answers + (right - answers) * (rounding / off)
    known = {image.encoded: row for image, row in zip(images, exact, strict=True)}

    def ask(encoded: list[bytes]) -> np.ndarray:
        if asked is not None:
            asked.append(len(encoded))
        return np.stack([*map(known.get, encoded)])

    evidence = Evidence(
        ImageSelection(images[:golden], images),
        answers,
        ask,
        lambda encoded: (ask(encoded) + by for by in (0, otherwise)),
    )
    gate = Gate(evidence, None, SilentProgress())
    return gate.admit(colours.path, classifier.metadata, rank=tuple).parity.tolerance


def test_a_difference_as_large_as_pytorchs_own_rounding_passes(colours) -> None:
    assert 1e-5 < OFF <= admitted(colours, rounding=OFF / 2) <= 7.5e-5


def test_the_same_difference_without_rounding_is_another_computation(colours) -> None:
    with pytest.raises(ParityError, match=r"PyTorch's own float32 is up to 1\.0e-06 from its float64"):
        admitted(colours, rounding=1e-6)


def test_rounding_is_measured_in_every_order_that_pytorch_may_sum_in(colours) -> None:
    assert admitted(colours, rounding=1e-6, otherwise=OFF / 2) == pytest.approx(2 * OFF, rel=0.01)


def test_what_is_clearly_rounding_is_asked_about_on_one_image_and_in_no_other_order(colours) -> None:
    asked: list[int] = []
    admitted(colours, rounding=0.75 * OFF, asked=asked)
    assert asked == [1]


def test_what_is_not_clearly_rounding_is_asked_about_on_more_images_and_in_every_order(colours) -> None:
    asked: list[int] = []
    admitted(colours, rounding=0.3 * OFF, asked=asked)
    assert asked == [1, 1, 1, 4, 4, 4]


def test_no_rounding_excuses_what_would_fail_elsewhere(colours) -> None:
    with pytest.raises(ParityError, match=r"own float32 is up to 1\.0e-04"):
        admitted(colours, rounding=1e-4, off=1e-4)


@pytest.mark.parametrize("golden", [0, 14])
def test_small_differences_are_not_asked_about(colours, golden) -> None:
    assert admitted(colours, rounding=0, off=2e-6, golden=golden) == 1e-5
