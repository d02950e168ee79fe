from __future__ import annotations

import pytest
from imgcls_cli.width import fit_words


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("as it is", "as it is"),
        ("one two three four five six", "one two three four\nfive six"),
        ("weights  one two three four", "weights  one two three\n  four"),
        ("key  one two three four five", "key  one two three\n     four five"),
        ("  key  one two three four five", "  key  one two three\n       four five"),
        ("say `make it so` to you all", "say `make it so` to\nyou all"),
        ("now say loud `make it so`", "now say loud\n`make it so`"),
        ("0123456789012345678901234567", "0123456789012345678901234567"),
        ("short\n\none two three four five six", "short\n\none two three four\nfive six"),
    ],
)
def test_lines_break_between_words_and_stay_right_of_their_name(text: str, fitted: str) -> None:
    assert fit_words(text, 22).split("\n") == fitted.split("\n")
    assert fit_words(text, None) == text
