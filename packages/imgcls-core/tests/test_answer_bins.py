from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from imgcls_core.artifact import REFERENCE_BINS
from imgcls_core.artifact.answer_bins import answer_bins, reference_distribution
from numpy.typing import NDArray


def rows(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


def test_an_answer_that_is_certain_has_the_highest_confidence_and_the_lowest_entropy() -> None:
    bins = answer_bins(rows([0, 1, 0, 0]))
    assert bins.class_ids.tolist() == [1]
    assert bins.confidence_bins.tolist() == [REFERENCE_BINS - 1]
    assert bins.entropy_bins.tolist() == [0]


def test_an_answer_that_knows_nothing_has_the_highest_entropy_and_the_first_class() -> None:
    bins = answer_bins(rows([0.25] * 4))
    assert bins.class_ids.tolist() == [0]
    assert bins.confidence_bins.tolist() == [5]
    assert bins.entropy_bins.tolist() == [REFERENCE_BINS - 1]


def test_entropy_is_measured_against_the_number_of_classes() -> None:
    """Two of four classes alike: ln 2 / ln 4 = 0.5, the border between the bins 9 and 10."""
    (bin_,) = answer_bins(rows([0.5, 0.5, 0, 0])).entropy_bins
    assert bin_ in {9, 10}
    (bin_,) = answer_bins(rows([0.9, 0.1])).entropy_bins
    expected = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1)) / math.log(2)
    assert bin_ == int(expected * REFERENCE_BINS)


def test_a_model_of_one_class_is_always_certain() -> None:
    assert answer_bins(rows([1])).entropy_bins.tolist() == [0]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_no_probability_still_falls_into_a_bin(value: Any) -> None:
    bins = answer_bins(rows([value, 0.5], [0.5, value]))
    for found in (bins.confidence_bins, bins.entropy_bins):
        assert found.min() >= 0
        assert found.max() < REFERENCE_BINS


@given(arrays(np.float32, (7, 5), elements=st.floats(0, 1, width=32)))
def test_every_answer_falls_into_the_bin_of_its_value(weights: list[float]) -> None:
    weights = weights + np.float32(1e-3)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    bins = answer_bins(probabilities)
    exact = probabilities.astype(np.float64)
    entropies = -(exact * np.log(exact)).sum(axis=1) / math.log(5)
    for row, class_id, confidence_bin in zip(probabilities, bins.class_ids, bins.confidence_bins, strict=True):
        assert row[class_id] == row.max()
        assert confidence_bin == min(int(row.max() * np.float32(REFERENCE_BINS)), REFERENCE_BINS - 1)
    # float32 may put a value that lies on a border on either side of it
    assert np.all(np.abs(bins.entropy_bins + 0.5 - entropies * REFERENCE_BINS) <= 0.5 + 1e-3)


def test_a_reference_is_the_shares_of_its_images() -> None:
    reference = reference_distribution(rows([0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.5, 0.5]))
    assert reference.images == 4
    assert reference.class_shares == (0.75, 0.25)
    assert (reference.confidence_shares[18], reference.confidence_shares[12]) == (0.5, 0.25)
    assert sum(reference.entropy_shares) == 1


def test_a_reference_of_no_images_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one answer"):
        reference_distribution(np.zeros((0, 3), np.float32))
