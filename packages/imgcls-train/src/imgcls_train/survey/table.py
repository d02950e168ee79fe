"""The report on a dataset as lines of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from imgcls_train.survey.report import DataReport, DuplicateGroup, SplitReport, Spread


def split_rows(splits: Sequence[SplitReport]) -> list[tuple[str, ...]]:
    """What is told of the splits: a heading, then one row for each fact and in it one cell for each split."""
    facts: dict[str, Callable[[SplitReport], str]] = {
        "images": lambda split: f"{split.images:,}",
        "unreadable": lambda split: f"{split.unreadable:,}",
        "classes": lambda split: f"{split.classes:,}",
        "images per class": lambda split: _range(split.images_per_class, ".0f"),
        "size in px": _size,
        "width ÷ height": lambda split: _range(split.aspect, ".2f"),
        "format": lambda split: _shares(split.formats),
        "mode": lambda split: _shares(split.modes),
        "kB per image": lambda split: _range(split.image_bytes, ".1f", 1e-3),
        "MB": lambda split: f"{split.size_bytes / 1e6:,.1f}",
        "mean R G B": lambda split: _triple(split.colours.mean if split.colours else ()),
        "std R G B": lambda split: _triple(split.colours.std if split.colours else ()),
    }
    rows = [(name, *(fact(split) for split in splits)) for name, fact in facts.items()]
    return [("", *(split.name for split in splits)), *rows]


def duplicate_rows(duplicates: Sequence[DuplicateGroup]) -> list[tuple[str, ...]]:
    """How many images occur more than once, and where: a heading and three rows."""
    kinds: dict[str, Callable[[DuplicateGroup], bool]] = {
        "between splits (leak)": lambda group: group.leak,
        "across classes (conflict)": lambda group: group.label_conflict,
        "in one class and split": lambda group: not group.leak and not group.label_conflict,
    }
    rows = [
        (name, *(str(sum(belongs(group) and group.kind == kind for group in duplicates)) for kind in ("exact", "near")))
        for name, belongs in kinds.items()
    ]
    return [("images repeated", "exact", "near"), *rows]


def report_text(report: DataReport) -> str:
    """Gives the lines that a user reads."""
    measured = next((split.colours for split in report.splits if split.colours), None)
    lines = [
        f"dataset  {report.dataset}",
        f"classes  {len(report.classes):,}",
        "",
        *_aligned(split_rows(report.splits)),
        "",
        *_aligned(duplicate_rows(report.duplicates)),
    ]
    if measured:
        lines += ["", f"Mean and std: {colour_words(measured.max_side_px)}"]
    return "\n".join(lines) + "\n"


def colour_words(max_side_px: int) -> str:
    """Says how the colours were measured."""
    return (
        "over all images that decode, in the 0 to 1 range, every image weighing the same; "
        f"larger ones were shrunk to {max_side_px} px first."
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _range(spread: Spread | None, form: str, factor: float = 1) -> str:
    """Smallest, median and largest; one number where they are the same."""
    if spread is None:
        return "–"
    numbers = [f"{value * factor:{form}}" for value in (spread.smallest, spread.median, spread.largest)]
    return numbers[0] if len(set(numbers)) == 1 else " / ".join(numbers)


def _size(split: SplitReport) -> str:
    if split.width is None or split.height is None:
        return "–"
    if split.distinct_sizes == 1:
        return f"{split.width.median:.0f} × {split.height.median:.0f}"
    least = f"{split.width.smallest:.0f}–{split.width.largest:.0f}"
    return f"{least} × {split.height.smallest:.0f}–{split.height.largest:.0f} ({split.distinct_sizes} sizes)"


def _shares(counts: Mapping[str, int]) -> str:
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "–"


def _triple(values: Sequence[float]) -> str:
    return " ".join(f"{value:.4f}" for value in values) or "–"
