"""Counts by row and column, such as a confusion matrix: the darker a field, the more there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from imgcls_report.templates import fill

if TYPE_CHECKING:
    from markupsafe import Markup

_WRITTEN: Final = 12  # rows of a map whose fields have room for their counts
_LISTED: Final = 30  # columns that have room for every number
_LIGHTER: Final = 0.5  # of fields that bear a count, so that it can be read


def heat_map(
    title: str,
    names: Sequence[str],
    counts: Sequence[Sequence[int]],
    *,
    row_label: str,
    column_label: str,
    rest: Sequence[int] = (),
    is_wrong_alone: bool = False,
) -> Markup:
    """Draws counts by row and column, which have the same names.

    Each row is compared with its own sum; where all that is counted is wrong, each field with the largest.

    Args:
        title: what it shows.
        names: of rows and columns; columns bear the numbers of the rows.
        counts: row by row.
        row_label: what the rows are.
        column_label: what the columns are.
        rest: of each row, what falls into none of the columns; drawn as a last column where there is any.
        is_wrong_alone: the diagonal holds no right answers; such a map is for many rows, its hints bear numbers alone.
    """
    lines = [[*line, left] for line, left in zip(counts, rest, strict=True)] if any(rest) else counts
    is_written = len(names) <= _WRITTEN and not is_wrong_alone
    largest = max((count for line in lines for count in line), default=0)
    fields = [
        (
            column,
            row,
            count,
            round((count / (largest if is_wrong_alone else sum(line))) ** 0.5 * (_LIGHTER if is_written else 1), 3),
        )
        for row, line in enumerate(lines)
        for column, count in enumerate(line)
        if count
    ]
    return fill(
        "heat_map",
        title=title,
        names=names,
        columns=[*map(str, range(1, len(names) + 1)), *(["other" if is_written else "…"] if any(rest) else [])],
        fields=fields,
        is_written=is_written,
        is_wrong_alone=is_wrong_alone,
        every=1 if len(names) <= _LISTED else 5,
        row_label=row_label,
        column_label=column_label,
    )
