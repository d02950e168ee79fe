"""A square of counts, such as a confusion matrix: the darker a field, the more there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imgcls_report.templates import fill

if TYPE_CHECKING:
    from markupsafe import Markup


def heat_map(
    title: str, names: Sequence[str], counts: Sequence[Sequence[int]], *, row_label: str, column_label: str
) -> Markup:
    """Draws counts by row and column, which have the same names; each row is compared with its own sum.

    Args:
        title: what it shows.
        names: of rows and columns; columns bear the numbers of the rows.
        counts: row by row.
        row_label: what the rows are.
        column_label: what the columns are.
    """
    fields = [
        (column, row, count, round((count / sum(line)) ** 0.5, 3))
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if count
    ]
    return fill("heat_map", title=title, names=names, fields=fields, row_label=row_label, column_label=column_label)
