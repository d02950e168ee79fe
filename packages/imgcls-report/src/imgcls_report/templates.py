"""The Jinja2 templates: all that they print is escaped and made visible, unless it is markup already."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from markupsafe import Markup

from imgcls_report.escaping import visible

if TYPE_CHECKING:
    from jinja2 import Environment


def fill(macro: str, **values: object) -> Markup:
    """Gives what a macro of `parts.html` makes of the values."""
    made = getattr(_environment().get_template("parts.html").module, macro)(**values)
    return Markup(made)  # noqa: S704 - a template with autoescape wrote it


def fill_page(**values: object) -> str:
    """Gives the whole document."""
    return _environment().get_template("page.html").render(**values)


@cache
def _environment() -> Environment:
    # Imported late: a command that draws nothing need not pay for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415

    return Environment(
        loader=PackageLoader("imgcls_report"),
        autoescape=True,
        finalize=_finalized,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _finalized(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value
