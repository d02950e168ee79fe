"""The suite's results as one HTML page, and as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

from imgcls_report import Cell, Column, Row, Tone, figures, model_words, page, row_filter, section, table

from imgcls_client.suite.check import OUTCOMES, Outcome
from imgcls_client.suite.runner import SuiteRun

_TONES: Final[dict[Outcome, Tone]] = {"passed": "good", "failed": "bad", "skipped": "warn"}
_COLUMNS: Final = (
    Column("test", width=22),
    Column("result", width=8),
    Column("time", "number", 9),
    Column("proves", width=27),
    Column("what was seen", width=34),
)


def html_page(run: SuiteRun) -> str:
    """Writes a run as a page: the verdict, the figures, then every test with what it proves and what was seen."""
    counts: dict[Outcome, int] = {outcome: run.count(outcome) for outcome in OUTCOMES}
    elapsed_s = sum(result.elapsed_s for result in run.results)
    body = [
        figures([*_counted(counts), ("time", f"{elapsed_s:,.1f} s")]),
        row_filter({_TONES[outcome]: counts[outcome] for outcome in ("failed", "skipped", "passed")}),
    ]
    for group, results in run.by_group().items():
        rows = [
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
        ]
        body.append(section(group, table(_COLUMNS, rows)))
    verdict: tuple[str, Tone] = ("passed", "good") if run.has_passed else ("failed", "bad")
    return page(
        "imgcls suite",
        run.url,
        body,
        date=run.at,
        model=model_words(run.model.name, run.model.sha256, run.served.precision) if run.model else "unknown",
        facts={"service": run.served.words},
        machine="asked from",
        verdict=verdict,
    )


def _counted(counts: dict[Outcome, int]) -> list[tuple[str, str, Tone]]:
    return [(outcome, f"{count:,}", _TONES[outcome] if count else "") for outcome, count in counts.items()]


def junit_xml(run: SuiteRun) -> str:
    """Writes a run as JUnit XML: one test suite for each group."""
    root = ElementTree.Element("testsuites", name=f"imgcls suite of {run.url}", tests=str(len(run.results)))
    for group, results in run.by_group().items():
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=group,
            tests=str(len(results)),
            failures=str(sum(result.outcome == "failed" for result in results)),
            skipped=str(sum(result.outcome == "skipped" for result in results)),
            errors="0",
            time=f"{sum(result.elapsed_s for result in results):.3f}",
            timestamp=run.at.isoformat(timespec="seconds"),
        )
        for result in results:
            of_test = {"classname": group, "name": result.check.name, "time": f"{result.elapsed_s:.3f}"}
            case = ElementTree.SubElement(suite, "testcase", of_test)
            if result.outcome == "failed":
                ElementTree.SubElement(case, "failure", message=result.detail).text = result.check.proves
            elif result.outcome == "skipped":
                ElementTree.SubElement(case, "skipped", message=result.detail)
            else:
                ElementTree.SubElement(case, "system-out").text = result.detail
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
