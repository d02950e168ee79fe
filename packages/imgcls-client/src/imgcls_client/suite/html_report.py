"""The suite's results as one HTML page."""

from html import escape

from imgcls_client.html_page import figures, page, table
from imgcls_client.suite.runner import SuiteRun

__all__ = ["html_page"]


def html_page(run: SuiteRun) -> str:
    """Write a run as a page: the verdict, the figures, then every test with what it proves and what was seen."""
    verdict, kind = ("passed", "passed") if run.has_passed else ("failed", "failed")
    model = "unknown model" if run.model is None else f"{run.model.name} (sha256 {run.model.sha256[:12]}…)"
    body = [
        f'<h1>Suite <span class="{kind}">{verdict}</span></h1>',
        f'<p class="soft"><code>{escape(run.url)}</code> · {escape(model)} · {run.at:%Y-%m-%d %H:%M:%S} UTC</p>',
        figures([(outcome, str(run.count(outcome))) for outcome in ("passed", "failed", "skipped")]),
    ]
    for group in dict.fromkeys(result.check.group for result in run.results):
        rows = [
            (
                result.check.name,
                (result.outcome, result.outcome),
                (f"{result.elapsed_s * 1000:.0f} ms", "number"),
                result.check.proves,
                result.detail,
            )
            for result in run.results
            if result.check.group == group
        ]
        body += [f"<h2>{escape(group)}</h2>", table(("test", "result", "time", "proves", "what was seen"), rows)]
    return page(f"imgcls suite {verdict}: {run.url}", body)
