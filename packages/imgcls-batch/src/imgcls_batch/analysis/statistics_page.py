"""The report of a run as one page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from imgcls_contract import DriftFiguresReply, DriftReply
from imgcls_report import (
    Card,
    Column,
    Tone,
    bar_chart,
    cards,
    figures,
    histogram,
    model_words,
    moment_words,
    page,
    paragraph,
    section,
    side_by_side,
    table,
)
from markupsafe import Markup

from imgcls_batch.analysis.answers import AnswerTables
from imgcls_batch.analysis.image_finder import ImageFinder
from imgcls_batch.analysis.statistics import RunStatistics

_CLASSES: Final = 30
_SAMPLED_CLASSES: Final = 12
_SAMPLES: Final = 6
_SIDE_PX: Final = 96
_JUDGED: Final = frozenset({"stable", "drifted"})  # from fewer answers no distance means anything


def statistics_page(statistics: RunStatistics, tables: AnswerTables) -> str:
    """Writes the page; images are read again for it."""
    run = statistics.run
    is_whole = statistics.rows == run.manifest.images
    verdict: tuple[str, Tone] = ("complete", "good") if is_whole else ("not finished", "warn")
    return page(
        "imgcls batch",
        run.source,
        [
            _figures(statistics),
            _classes(statistics),
            _certainty(statistics),
            _drift(statistics.drift),
            _bad(statistics),
            _samples(statistics, tables),
            _slowest(statistics),
        ],
        date=run.started,
        model=model_words(run.artifact.name, run.artifact.sha256, run.artifact.precision),
        facts={
            "output": tables.outputs["rows"].url,
            "run on": run.machine,
            "run by": run.versions,
            "report written": moment_words(datetime.now(UTC)),
        },
        machine="written on",
        verdict=verdict,
    )


def _figures(statistics: RunStatistics) -> Markup:
    bad = statistics.rows - statistics.answered
    return figures(
        [
            ("images", f"{statistics.run.manifest.images:,}"),
            ("rows", f"{statistics.rows:,}"),
            ("without an answer", f"{bad:,} ({bad / statistics.rows:.2%})"),
            ("classes seen", f"{len(statistics.classes)} of {len(statistics.run.artifact.classes)}"),
        ]
    )


def _classes(statistics: RunStatistics) -> Markup:
    shown = statistics.classes[:_CLASSES]
    if not shown:
        return section("Classes", paragraph("No image was answered."))
    rest = len(statistics.classes) - len(shown)
    note = f"the {len(shown)} most frequent; {rest} more" if rest else ""
    rows = [(found.label, [float(found.images)]) for found in shown]
    return section("Classes", bar_chart("images by first answer", rows, series=("images",), name="class"), note=note)


def _certainty(statistics: RunStatistics) -> Markup:
    if not statistics.answered:
        return Markup()
    reference = statistics.run.artifact.reference
    parts: list[Markup] = []
    for title, counts, shares in (
        ("probability of the first answer", statistics.confidence, reference and reference.confidence_shares),
        ("entropy, 0 certain to 1 every class alike", statistics.entropy, reference and reference.entropy_shares),
    ):
        found = ("this run", [count / statistics.answered for count in counts])
        parts.append(
            histogram(title, [("reference", shares), found] if shares else [found], x_label=title.split(",")[0])
        )
    return section("How certain", side_by_side(parts))


def _drift(drift: DriftFiguresReply | None) -> Markup:
    if drift is None:
        return section("Drift", paragraph("The artifact carries no reference distribution to compare with."))
    rows = [
        (
            name,
            figure.status.replace("_", " "),
            *("–" if value is None or figure.status not in _JUDGED else f"{value:.3f}" for value in _distances(figure)),
            "–" if figure.answers_needed is None else f"{figure.answers_needed:,}",
        )
        for name, figure in (("classes", drift.classes), ("confidence", drift.confidence), ("entropy", drift.entropy))
    ]
    columns = ["of", "verdict", *(Column(name, "number") for name in ("PSI", "Jensen-Shannon", "answers needed"))]
    return section("Drift against the artifact's reference distribution", table(columns, rows))


def _distances(figure: DriftReply) -> tuple[float | None, float | None]:
    return figure.psi, figure.jensen_shannon


def _bad(statistics: RunStatistics) -> Markup:
    if not statistics.bad:
        return section("Images without an answer", paragraph("None."))
    columns = [Column("code", "code"), Column("images", "number"), Column("for example", "code"), "what it says"]
    rows = [(bad.code, f"{bad.images:,}", bad.example_uri, bad.example_detail) for bad in statistics.bad]
    return section("Images without an answer", table(columns, rows))


def _samples(statistics: RunStatistics, tables: AnswerTables) -> Markup:
    finder = ImageFinder(tables.outputs["rows"], statistics.run)
    parts: list[Markup] = []
    for found in statistics.classes[:_SAMPLED_CLASSES]:
        # Spread by a hash of the id: the first ones of a folder look alike.
        picked = tables.query(
            "SELECT id, uri, probability FROM rows WHERE class_id = ? ORDER BY hash(id) LIMIT ?",
            found.class_id,
            _SAMPLES,
        )
        shown = [
            Card(f"{probability:.0%}", finder.thumbnail(image_id, _SIDE_PX), (uri.rsplit("/", 1)[-1],))
            for image_id, uri, probability in picked
        ]
        parts.append(section(found.label, cards(shown, size="small"), note=f"{found.images:,} images", level=3))
    return section("Samples of each class", *parts) if parts else Markup()


def _slowest(statistics: RunStatistics) -> Markup:
    slow = sorted(
        (image for session in statistics.sessions for image in session.slowest),
        key=lambda image: -(image.read_ms + image.answer_ms),
    )[:10]
    if not slow:
        return Markup()
    columns = [Column("image", "code"), Column("reading", "number"), Column("decoding and inference", "number")]
    rows = [(image.uri, f"{image.read_ms:,.1f} ms", f"{image.answer_ms:,.1f} ms") for image in slow]
    speeds = [
        (moment_words(one.started), f"{one.images:,}", f"{one.elapsed_s:,.1f} s", f"{one.images_per_s:,.1f}")
        for one in statistics.sessions
    ]
    times = ["session", Column("images", "number"), Column("took", "number"), Column("images/s", "number")]
    return section("Time", table(times, speeds), table(columns, rows, caption="the slowest images"))
