"""The report on a dataset as a page that needs nothing else: tables, charts and pictures inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from imgcls_convert.html_page import facts, page, table

from imgcls_train.survey.charts import class_bars, colour_chart, size_bars
from imgcls_train.survey.report import DataReport, DuplicateGroup, ImageReference
from imgcls_train.survey.table import colour_words, duplicate_rows, split_rows

GROUPS: Final = 24  # of duplicates that are shown, of each kind
UNREADABLE: Final = 200  # images that are listed
SHEET_PICTURES: Final = 600
_MOST_PER_CLASS: Final = 8
_MEMBERS: Final = 6  # of one group that are shown

Picture = Callable[[str, str], str | None]

_STYLE: Final = """
h3 { font-size: .95rem; margin: 0 0 .3rem } h3 small { font-weight: normal; opacity: .75 }
.finding { border-left: .3rem solid var(--line); padding: .1rem .8rem; margin: .5rem 0; overflow-wrap: anywhere }
.finding.error { border-color: var(--warn) } .finding.warning { border-color: #c77700 }
.finding b { text-transform: capitalize }
.groups { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); gap: .8rem;
  margin-bottom: 1.2rem } .wrap + h3 { margin-top: 1.2rem }
.group { background: var(--soft); border-radius: .4rem; padding: .6rem }
.row { display: flex; flex-wrap: wrap; gap: .5rem } .row img { display: block; height: 5rem; width: auto;
  max-width: 100% } .group .row figure { background: none; padding: 0; width: 9rem; font-size: .78rem }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); gap: 1.1rem }
.sheet .row { gap: .2rem } .sheet .row img { height: 3.6rem; border-radius: .2rem }
.bar { display: inline-block; height: .7em; background: var(--ink); vertical-align: baseline; min-width: 1px }
.bars td { white-space: nowrap } .bars td.w { width: 50% }
"""


def data_page(report: DataReport, picture: Picture, sheet: Mapping[str, Sequence[str]]) -> str:
    """Writes the page.

    Args:
        report: what was found.
        picture: (split, name of an image) → address of a small copy, None where there is none.
        sheet: class name → images of the first split to show, see `pictures_per_class`.
    """
    title = Path(report.dataset).name or report.dataset
    body = [
        f"<h1>{escape(title)}</h1>",
        facts(
            {
                "dataset": report.dataset,
                "classes": f"{len(report.classes):,}",
                "images": f"{sum(split.images for split in report.splits):,}",
                "looked at": f"{report.created}, {report.seconds:.0f} s, imgcls-train {report.imgcls_train}",
            }
        ),
        "<h2>Findings</h2>",
        *_findings(report),
        "<h2>Splits</h2>",
        _table(split_rows(report.splits)),
        f"<p>Ranges are smallest / median / largest. Mean and std: {escape(colour_words(_max_side(report)))}</p>",
        "<h2>Images per class</h2>",
        class_bars(report.classes, [split.name for split in report.splits]),
        "<h2>Sizes</h2>",
        size_bars(report.splits),
        "<h2>Colours</h2>",
        *(colour_chart(split) for split in report.splits if split.colours),
        "<h2>Pictures that occur more than once</h2>",
        _table(duplicate_rows(report.duplicates)),
        *_duplicates(report, picture),
        *_unreadable(report),
        *_sheet(report, picture, sheet),
    ]
    # The frame is shared by all pages; what only this one needs follows its style.
    return page(f"{title} · imgcls dataset", body).replace("</style>", f"{_STYLE}</style>", 1)


def pictures_per_class(classes: int) -> int:
    """How many pictures of each class the sheet shows: 1 to 8, so that the page stays small."""
    return max(1, min(_MOST_PER_CLASS, SHEET_PICTURES // max(classes, 1)))


def _max_side(report: DataReport) -> int:
    return next((split.colours.max_side_px for split in report.splits if split.colours), 0)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    return table(rows[0], rows[1:])


def _findings(report: DataReport) -> list[str]:
    if not report.findings:
        return ["<p>Nothing that stands in the way of training.</p>"]
    return [
        f'<p class="finding {finding.severity}"><b>{finding.severity}</b>: {escape(finding.text)}</p>'
        for finding in report.findings
    ]


def _duplicates(report: DataReport, picture: Picture) -> list[str]:
    leaks = [group for group in report.duplicates if group.leak]
    conflicts = [group for group in report.duplicates if group.label_conflict and not group.leak]
    repeated = [group for group in report.duplicates if not group.leak and not group.label_conflict]
    labels = {entry.name: entry.label for entry in report.classes}
    parts: list[str] = []
    for heading, groups in (
        ("Between splits", leaks),
        ("Across classes", conflicts),
        ("In one class and split", repeated),
    ):
        if groups:
            cards = "".join(_group(group, picture, labels) for group in groups[:GROUPS])
            rest = f" <small>the first {GROUPS} of {len(groups)}</small>" if len(groups) > GROUPS else ""
            parts.append(f"<h3>{heading}{rest}</h3>")
            parts.append(f'<div class="groups">{cards}</div>')
    return parts


def _group(group: DuplicateGroup, picture: Picture, labels: Mapping[str, str]) -> str:
    more = len(group.images) - _MEMBERS
    figures = "".join(_figure(image, picture, labels[image.class_name]) for image in group.images[:_MEMBERS])
    words = ["same bytes" if group.kind == "exact" else "looks the same"]
    words += ["in several classes"] if group.label_conflict else []
    words += [f"and {more} more"] if more > 0 else []
    return f'<div class="group"><small>{", ".join(words)}</small><div class="row">{figures}</div></div>'


def _figure(image: ImageReference, picture: Picture, label: str) -> str:
    return (
        f"<figure>{_image(image.split, image.name, picture)}<figcaption><b>{escape(label)}</b><br>"
        f"{escape(image.split)}/{escape(image.name)}</figcaption></figure>"
    )


def _image(split: str, name: str, picture: Picture) -> str:
    address = picture(split, name)
    if address is None:
        return ""
    said = escape(name)
    return f'<img loading="lazy" alt="{said}" title="{said}" src="{address}">'


def _unreadable(report: DataReport) -> list[str]:
    if not report.unreadable:
        return []
    rows = "".join(
        f"<tr><td>{escape(image.split)}</td><td><code>{escape(image.name)}</code></td><td>{escape(image.reason)}</td></tr>"
        for image in report.unreadable[:UNREADABLE]
    )
    more = len(report.unreadable) - UNREADABLE
    heading = "<tr><th>split</th><th>image</th><th>reason</th></tr>"
    return [
        "<h2>Images that do not decode</h2>",
        f'<div class="wrap"><table>{heading}{rows}</table></div>',
        f"<p>And {more:,} more.</p>" if more > 0 else "",
    ]


def _sheet(report: DataReport, picture: Picture, sheet: Mapping[str, Sequence[str]]) -> list[str]:
    split = report.splits[0].name
    shown = [entry for entry in report.classes if sheet.get(entry.name)]
    step = max(1, -(-len(shown) // SHEET_PICTURES))
    cards: list[str] = []
    for entry in shown[::step]:
        counts = " · ".join(f"{count:,} {name}" for name, count in entry.images.items())
        images = "".join(_image(split, name, picture) for name in sheet[entry.name])
        cards.append(
            f"<section><h3>{escape(entry.label)} <small>{escape(counts)}</small></h3>"
            f'<div class="row">{images}</div></section>'
        )
    every = f", every {step}th class" if step > 1 else ""
    return [f"<h2>Samples of {escape(split)}{every}</h2>", f'<div class="sheet">{"".join(cards)}</div>']
