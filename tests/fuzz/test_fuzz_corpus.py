"""Every input that the fuzzer starts with or has kept is taken, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_targets import TARGETS
from seeds import SEEDS

CORPUS = Path(__file__).parent / "corpus"


@pytest.mark.filterwarnings("ignore")  # of libraries about odd files; `error` would hide what happens after
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_does_anything_but_being_taken_or_refused(name: str) -> None:
    kept = [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    for data in [*SEEDS[name](), b"", *kept]:
        TARGETS[name](data)


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_corpus_is_small(name: str) -> None:
    assert sum(path.stat().st_size for path in (CORPUS / name).glob("*")) < 200_000
