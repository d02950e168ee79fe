"""The report on a dataset as a page that needs nothing else: tables, charts and images inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imgcls_report import (
    Card,
    Column,
    Tone,
    cards,
    page,
    paragraph,
    section,
    side_by_side,
    table,
)

from imgcls_train.survey.charts import class_bars, colour_charts, size_bars
from imgcls_train.survey.report import DataReport, DuplicateGroup, Finding
from imgcls_train.survey.table import colour_words, duplicate_rows, split_rows

if TYPE_CHECKING:
    from markupsafe import Markup

GROUPS: Final = 24  # of duplicates that are shown, of each kind
UNREADABLE: Final = 200  # images that are listed
SHEET_IMAGES: Final = 600
_MOST_PER_CLASS: Final = 8
_MEMBERS: Final = 6  # of one group that are shown
_TONES: Final[dict[str, Tone]] = {"error": "bad", "warning": "warn", "note": ""}

SmallCopy = Callable[[str, str], bytes | None]


def data_page(report: DataReport, small_copy: SmallCopy, sheet: Mapping[str, Sequence[str]]) -> str:
    """Writes the page.

    Args:
        report: what was found.
        small_copy: (split, name of an image) → an encoded small copy, None where there is none.
        sheet: class name → images of the first split to show, see `images_per_class`.
    """
    title = Path(report.dataset).name or report.dataset
    facts = {
        "dataset": report.dataset,
        "classes": f"{len(report.classes):,}",
        "images": f"{sum(split.images for split in report.splits):,}",
        "took": f"{report.seconds:,.1f} s",
    }
    splits = [split.name for split in report.splits]
    body = [
        section("Findings", *_findings(report.findings)),
        section(
            "Splits",
            _table(split_rows(report.splits)),
            paragraph(f"Ranges are smallest / median / largest. Mean and std: {colour_words(_max_side(report))}"),
        ),
        section("Images per class", *class_bars(report.classes, splits)),
        section("Sizes", *size_bars(report.splits)),
        section("Colours", side_by_side(colour_charts(report.splits))),
        section(
            "Images that occur more than once",
            _table(duplicate_rows(report.duplicates)),
            *_duplicates(report, small_copy),
        ),
        *_unreadable(report),
        _sheet(report, small_copy, sheet),
    ]
    return page("imgcls dataset", title, body, date=report.created, facts=facts)


def images_per_class(classes: int) -> int:
    """How many images of each class the sheet shows: 1 to 8, so that the page stays small."""
    return max(1, min(_MOST_PER_CLASS, SHEET_IMAGES // max(classes, 1)))


def _max_side(report: DataReport) -> int:
    return next((split.colours.max_side_px for split in report.splits if split.colours), 0)


def _table(rows: Sequence[tuple[str, ...]]) -> Markup:
    first, *others = rows[0]
    return table([first, *(Column(name, "values") for name in others)], rows[1:])


def _findings(findings: Sequence[Finding]) -> list[Markup]:
    if not findings:
        return [paragraph("Nothing that stands in the way of training.", "good")]
    return [paragraph(f"{each.severity.capitalize()}: {each.text}", _TONES[each.severity]) for each in findings]


def _duplicates(report: DataReport, small_copy: SmallCopy) -> list[Markup]:
    leaks = [group for group in report.duplicates if group.leak]
    conflicts = [group for group in report.duplicates if group.label_conflict and not group.leak]
    repeated = [group for group in report.duplicates if not group.leak and not group.label_conflict]
    labels = {entry.name: entry.label for entry in report.classes}
    return [
        section(
            heading,
            side_by_side(_group(group, small_copy, labels) for group in groups[:GROUPS]),
            note=f"the first {GROUPS} of {len(groups)}" if len(groups) > GROUPS else "",
            level=3,
        )
        for heading, groups in (
            ("Between splits", leaks),
            ("Across classes", conflicts),
            ("In one class and split", repeated),
        )
        if groups
    ]


def _group(group: DuplicateGroup, small_copy: SmallCopy, labels: Mapping[str, str]) -> Markup:
    more = len(group.images) - _MEMBERS
    words = ["same bytes" if group.kind == "exact" else "looks the same"]
    words += ["in several classes"] if group.label_conflict else []
    words += [f"and {more} more"] if more > 0 else []
    members = [
        Card(image.name, small_copy(image.split, image.name), [labels[image.class_name], image.split])
        for image in group.images[:_MEMBERS]
    ]
    return cards(members, size="small", note=", ".join(words))


def _unreadable(report: DataReport) -> list[Markup]:
    if not report.unreadable:
        return []
    rows = [(image.split, image.name, image.reason) for image in report.unreadable[:UNREADABLE]]
    more = len(report.unreadable) - UNREADABLE
    listed = table(("split", Column("image", "code"), "reason"), rows)
    return [section("Images that do not decode", listed, *([paragraph(f"And {more:,} more.")] if more > 0 else []))]


def _sheet(report: DataReport, small_copy: SmallCopy, sheet: Mapping[str, Sequence[str]]) -> Markup:
    split = report.splits[0].name
    shown = [entry for entry in report.classes if sheet.get(entry.name)]
    step = max(1, -(-len(shown) // SHEET_IMAGES))
    parts = [
        section(
            entry.label,
            cards(
                (Card(name, small_copy(split, name)) for name in sheet[entry.name]),
                size="row",
                are_named=False,
            ),
            note=" · ".join(f"{count:,} {name}" for name, count in entry.images.items()),
            level=3,
        )
        for entry in shown[::step]
    ]
    every = f", every {step}th class" if step > 1 else ""
    return section(f"Samples of {split}{every}", side_by_side(parts))
