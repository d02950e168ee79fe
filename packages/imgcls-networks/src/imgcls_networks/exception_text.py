"""Foreign exceptions as one line that fits into a sentence."""

from __future__ import annotations


def one_line(error: BaseException) -> str:
    """Gives the first line of what it says, at most 300 characters, without the full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")[:300]


def root_cause(error: BaseException) -> str:
    """As `one_line`, of the error at the beginning of the chain."""
    while error.__cause__ is not None:
        error = error.__cause__
    return one_line(error)
