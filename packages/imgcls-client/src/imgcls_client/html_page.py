"""One self-contained page: no script, no font, no address outside it; light and dark."""

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["figures", "page", "table"]

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9d9e0; --ground: #fff; --good: #18794e;
  --bad: #ce2c31; --warn: #ab6400; --a: #0d74ce; --b: #ab6400; --c: #8145b5; --fill: #0d74ce22; --gap: #ce2c3130; }
@media (prefers-color-scheme: dark) { :root { --ink: #edeef0; --soft: #b0b4ba; --line: #43484e; --ground: #111113;
  --good: #3dd68c; --bad: #ff9592; --warn: #ffca16; --a: #70b8ff; --b: #ffca16; --c: #d19dff; --fill: #70b8ff22;
  --gap: #ff959230; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 2rem } p.soft { color: var(--soft) }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.passed, .good { color: var(--good) } .failed, .bad { color: var(--bad); font-weight: 600 }
.skipped { color: var(--warn) } .figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 1rem 0 }
.figures b { display: block; font-size: 1.4rem }
.figures span { color: var(--soft); font-size: .85rem } svg { width: 100%; height: auto; display: block }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif } code { font-size: .85em; overflow-wrap: anywhere }
"""


def page(title: str, body: Iterable[str]) -> str:
    """Put a page together.

    Args:
        title: Plain text.
        body: Ready HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str | tuple[str, str]]]) -> str:
    """Lay out a table; a cell is plain text, or plain text with a CSS class.

    Args:
        columns: Headings.
        rows: Cells of each row.
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = "\n".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{lines}\n</tbody></table>"


def cell(content: str | tuple[str, str]) -> str:
    """Lay out one cell."""
    text, kind = (content, "") if isinstance(content, str) else content
    return f'<td class="{escape(kind)}">{escape(text)}</td>' if kind else f"<td>{escape(text)}</td>"


def figures(values: Iterable[tuple[str, str]]) -> str:
    """Lay out a row of large figures, each with what it is."""
    boxes = [f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in values]
    return f'<div class="figures">{"".join(boxes)}</div>'
