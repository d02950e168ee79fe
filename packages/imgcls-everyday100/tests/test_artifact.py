"""The artifact as whoever installs the package gets it."""

from __future__ import annotations

from imgcls_core import OnnxClassifier
from imgcls_everyday100 import ARTIFACT


def test_it_is_sealed_and_small_and_answers_as_it_was_proven_to() -> None:
    classifier = OnnxClassifier(ARTIFACT, provider="cpu")
    classifier.check_golden()
    assert classifier.seal is not None
    assert classifier.metadata.name == "everyday100"
    assert ARTIFACT.stat().st_size < 6_000_000


def test_it_says_its_terms() -> None:
    terms = OnnxClassifier(ARTIFACT, provider="cpu").metadata.source.terms
    assert terms is not None
    assert "non-commercial" in terms
