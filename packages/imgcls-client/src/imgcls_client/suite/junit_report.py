"""The suite's results as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

from xml.etree import ElementTree

from imgcls_client.suite.runner import SuiteRun


def junit_xml(run: SuiteRun) -> str:
    """Writes a run as JUnit XML: one test suite for each group."""
    root = ElementTree.Element("testsuites", name=f"imgcls suite of {run.url}", tests=str(len(run.results)))
    for group in dict.fromkeys(result.check.group for result in run.results):
        results = [result for result in run.results if result.check.group == group]
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
            case = ElementTree.SubElement(
                suite, "testcase", classname=group, name=result.check.name, time=f"{result.elapsed_s:.3f}"
            )
            if result.outcome == "failed":
                ElementTree.SubElement(case, "failure", message=result.detail).text = result.check.proves
            elif result.outcome == "skipped":
                ElementTree.SubElement(case, "skipped", message=result.detail)
            else:
                ElementTree.SubElement(case, "system-out").text = result.detail
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
