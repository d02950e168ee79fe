"""Every mistake of docs/mistakes.md, made for real: it is told in one sentence what to do next."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from imgcls_testing.commands import Outcome

sys.path.insert(0, str(Path(__file__).parent))

from mistakes import MISTAKES, PAGE, Mistake, make_all, page, sentence

ALL = [mistake for mistakes in MISTAKES.values() for mistake in mistakes]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[Mistake, Outcome]:
    return make_all(tmp_path_factory.mktemp("mistakes"))


@pytest.mark.parametrize("mistake", ALL, ids=lambda mistake: mistake.typed)
def test_a_mistake_is_told_its_next_step(mistake: Mistake, outcomes: dict[Mistake, Outcome]) -> None:
    outcome = outcomes[mistake]
    assert outcome.code == mistake.code, outcome.err
    assert "Traceback" not in outcome.err
    assert "a bug of ours" not in outcome.err
    assert mistake.next_step in sentence(outcome.err)


def test_the_page_shows_what_is_said(outcomes: dict[Mistake, Outcome]) -> None:
    """Where it does not, `uv run python tests/mistakes.py` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == page({one: sentence(told.err) for one, told in outcomes.items()})
