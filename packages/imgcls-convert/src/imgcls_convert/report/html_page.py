"""The parts that self-contained pages share: a frame, tables, images inside the page. No script, nothing fetched."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from imgcls_core.images.decode import DecodeLimits, decode_image

_THUMBNAIL_PX: Final = 160
_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --warn: #b3261e; --ink: #2463a5 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 2.2rem }
table { border-collapse: collapse } td, th { padding: .25rem .7rem; border-bottom: 1px solid var(--line);
  text-align: left; vertical-align: top } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
.wrap { overflow-x: auto } code { overflow-wrap: anywhere } .warn { color: var(--warn) }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem }
figure { margin: 0; background: var(--soft); padding: .6rem; border-radius: .4rem; font-size: .85rem;
  overflow-wrap: anywhere } figure img { max-width: 100%; display: block; margin: 0 auto .4rem }
svg { max-width: 100%; height: auto } svg text { fill: currentColor; font-size: 11px }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def facts(rows: dict[str, str]) -> str:
    """A table of names and values."""
    lines = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows.items())
    return f'<div class="wrap"><table>{"".join(lines)}</table></div>'


def table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""

    def line(tag: str, cells: Sequence[str]) -> str:
        inner = (f"<{tag}{'' if i == 0 else ' class=n'}>{escape(cell)}</{tag}>" for i, cell in enumerate(cells))
        return f"<tr>{''.join(inner)}</tr>"

    return f'<div class="wrap"><table>{line("th", heading)}{"".join(line("td", row) for row in rows)}</table></div>'


def card(name: str, encoded: bytes, lines: Sequence[str]) -> str:
    """A small image with what was said of it."""
    text = "<br>".join(escape(line) for line in lines)
    return (
        f'<figure><img alt="{escape(name)}" src="{_thumbnail(encoded)}">'
        f"<figcaption><b>{escape(name)}</b><br>{text}</figcaption></figure>"
    )


def _thumbnail(encoded: bytes) -> str:
    image = decode_image(encoded, DecodeLimits())
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
