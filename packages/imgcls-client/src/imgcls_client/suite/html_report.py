"""The suite's results as one HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imgcls_report import Cell, Column, Row, Tone, figures, origin, page, row_filter, section, table

from imgcls_client.suite.check import OUTCOMES, Outcome, Result
from imgcls_client.suite.runner import SuiteRun

if TYPE_CHECKING:
    from markupsafe import Markup

_TONES: Final[dict[Outcome, Tone]] = {"passed": "good", "failed": "bad", "skipped": "warn"}
_COLUMNS: Final = ("test", "result", Column("time", "number"), "proves", "what was seen")


def html_page(run: SuiteRun) -> str:
    """Writes a run as a page: the verdict, the figures, then every test with what it proves and what was seen."""
    model = "" if run.model is None else f"{run.model.name} (sha256 {run.model.sha256[:12]}…)"
    facts = {
        "date": f"{run.at:%Y-%m-%d %H:%M:%S} UTC",
        "model": model or "unknown",
        **origin("imgcls-client", machine="asked from"),
    }
    counts = {outcome: run.count(outcome) for outcome in OUTCOMES}
    elapsed_s = sum(result.elapsed_s for result in run.results)
    groups = list(dict.fromkeys(result.check.group for result in run.results))
    body = [
        figures([*((outcome, str(count)) for outcome, count in counts.items()), ("time", f"{elapsed_s:.1f} s")]),
        row_filter({_TONES[outcome]: counts[outcome] for outcome in ("failed", "skipped", "passed")}),
        *(
            section(group, _group([result for result in run.results if result.check.group == group]))
            for group in groups
        ),
    ]
    return page(
        "imgcls suite", run.url, body, facts=facts, verdict=("passed", "good") if run.has_passed else ("failed", "bad")
    )


def _group(results: list[Result]) -> Markup:
    return table(
        _COLUMNS,
        [
            Row(
                (
                    result.check.name,
                    Cell(result.outcome, _TONES[result.outcome]),
                    f"{result.elapsed_s * 1000:,.0f} ms",
                    result.check.proves,
                    result.detail,
                ),
                _TONES[result.outcome],
            )
            for result in results
        ],
    )
