"""An evaluation as a page that needs nothing else: figures, reliability, classes, and the surest mistakes."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

from imgcls_convert.html_page import card, facts, page, table
from imgcls_core.image_decode import DecodeLimits, ImageSource, decode_image

from imgcls_train.errors import RunError
from imgcls_train.evaluation.accuracy import ClassAccuracy
from imgcls_train.evaluation.calibration import Calibration
from imgcls_train.evaluation.document import Evaluation, worst_errors
from imgcls_train.evaluation.text import facts as evaluation_facts
from imgcls_train.evaluation.text import held_out_words

WORST: Final = 24  # pictures that are shown
_PAIRS: Final = 25
_CLASSES: Final = 20  # above the fold

_SIDE, _LEFT, _BOTTOM, _TOP = 260, 44, 40, 10  # of a diagram's square and its margins, in px
_STYLE: Final = (
    "<style>.two { display: flex; flex-wrap: wrap; gap: 1.5rem } .two figure { flex: 1 1 16rem; max-width: 24rem } "
    ".bar { min-width: 8rem; width: 40% } .bar div { height: .7rem; background: var(--ink); border-radius: .2rem }"
    "</style>"
)


def evaluation_page(found: Evaluation, labels: Sequence[str], pictures: Mapping[int, ImageSource]) -> str:
    """Writes the page.

    Args:
        found: the evaluation.
        labels: of the model's classes, by class id.
        pictures: place in the split → image, for the worst errors.
    """
    body = [
        _STYLE,
        f"<h1>{escape(found.model)}</h1>",
        facts(evaluation_facts(found) | {"split sha256": found.split_sha256, "evaluated": found.created}),
        "<p>Intervals are 95 % (Wilson).</p>",
        "<h2>Reliability</h2>",
        "<p>Images by the probability of their first answer: how often they are right. On the diagonal a probability "
        "means what it says; below it the model is too sure. The wider the dot, the more images.</p>",
        '<div class="two">',
        _diagram(found.uncalibrated, "at temperature 1" if found.kind != "artifact" else "as the artifact answers"),
    ]
    if found.fit is not None:
        body.append(_diagram(found.fit.held_out, f"with temperature {found.fit.temperature:.4g}"))
    body += ["</div>", f"<p>{escape(held_out_words(found))}</p>", "<h2>Classes, the hardest first</h2>"]
    body.append(_classes(found.by_class[:_CLASSES]))
    if rest := found.by_class[_CLASSES:]:
        body.append(f"<details><summary>{len(rest)} more</summary>{_classes(rest)}</details>")
    if found.confusions:
        rows = [(f"{p.expected} → {p.predicted}", f"{p.images} of {p.of}") for p in found.confusions[:_PAIRS]]
        body += ["<h2>What is taken for what</h2>", table(("image of → answer", "images"), rows)]
    if cards := [_card(found, labels, place, pictures) for place in worst_errors(found, WORST) if place in pictures]:
        body += [
            "<h2>The surest mistakes</h2>",
            "<p>Wrong answers with the highest probability. Some are wrong labels or pictures of two things.</p>",
            f'<div class="cards">{"".join(cards)}</div>',
        ]
    return page(f"{found.model} · imgcls evaluation", body)


def check_page_place(path: Path) -> None:
    """Passes when a page can be written there.

    Raises:
        RunError: its folder is not there.
    """
    if not path.parent.is_dir():
        raise RunError(f"`--html {path}` cannot be written: there is no folder {str(path.parent)!r}.")


def write_page(path: Path, content: str) -> None:
    """Writes the page.

    Raises:
        RunError: the place cannot be written.
    """
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise RunError(f"`--html {path}` cannot be written: {error.strerror or error}.") from error


def _card(found: Evaluation, labels: Sequence[str], place: int, pictures: Mapping[int, ImageSource]) -> str:
    answers = found.answers
    lines = [
        f"labelled {labels[answers.expected_class_ids[place]]}",
        f"answer {labels[answers.predicted_class_ids[place]]} {answers.probabilities[place]:.1%}",
    ]
    return card(answers.names[place].rsplit("/", 1)[-1], _encoded(pictures[place]), lines)


def _encoded(source: ImageSource) -> bytes:
    if isinstance(source, bytes):
        return source
    buffer = io.BytesIO()
    decode_image(source, DecodeLimits()).save(buffer, "PNG")
    return buffer.getvalue()


def _classes(rows: Sequence[ClassAccuracy]) -> str:
    lines = [
        f"<tr><td>{escape(row.label)}</td><td class=n>{row.top1.pct:.1f} %</td>"
        f"<td class=n>{row.top1.low_pct:.0f} to {row.top1.high_pct:.0f} %</td><td class=n>{row.images}</td>"
        f'<td class=bar><div style="width:{row.top1.pct:.1f}%"></div></td></tr>'
        for row in rows
    ]
    heading = "<tr><th>class</th><th class=n>top-1</th><th class=n>interval</th><th class=n>images</th><th></th></tr>"
    return f'<div class="wrap"><table>{heading}{"".join(lines)}</table></div>'


def _diagram(calibration: Calibration, title: str) -> str:
    width, height = _LEFT + _SIDE + 22, _TOP + _SIDE + _BOTTOM
    most = max(one.images for one in calibration.bins)

    def x(share: float) -> float:
        return _LEFT + share * _SIDE

    def y(share: float) -> float:
        return _TOP + (1 - share) * _SIDE

    parts = [
        f'<figure><svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="reliability {escape(title)}: ECE {100 * calibration.ece:.2f} %">'
    ]
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            f'<line x1="{x(0)}" x2="{x(1)}" y1="{y(tick)}" y2="{y(tick)}" stroke="var(--line)"/>',
            f'<text x="{_LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{tick:.0%}</text>',
            f'<text x="{x(tick)}" y="{y(0) + 16}" text-anchor="middle">{tick:.0%}</text>',
        ]
    parts.append(
        f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="currentColor" stroke-dasharray="5 4" '
        'opacity=".5"/>'
    )
    for one in calibration.bins:
        if one.images:
            at, top, foot = x(one.confidence), y(one.accuracy), y(one.confidence)
            radius = 2.5 + 6 * (one.images / most) ** 0.5
            parts += [
                f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top:.1f}" y2="{foot:.1f}" stroke="var(--warn)" '
                'stroke-width="2"/>',
                f'<circle cx="{at:.1f}" cy="{top:.1f}" r="{radius:.1f}" fill="var(--ink)">'
                f"<title>{one.images:,} images, probability {one.confidence:.1%}, right {one.accuracy:.1%}</title>"
                "</circle>",
            ]
    parts.append(f'<text x="{x(0.5)}" y="{height - 6}" text-anchor="middle">probability of the first answer</text>')
    words = f"{title}: ECE {100 * calibration.ece:.2f} %, log loss {calibration.log_loss:.4f} nats"
    return "".join(parts) + f"</svg><figcaption>{escape(words)}</figcaption></figure>"
