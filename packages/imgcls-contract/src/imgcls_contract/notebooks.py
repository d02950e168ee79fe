"""How an answer looks in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from imgcls_contract.classification import ClassProbability


def classes_html(classes: Iterable[ClassProbability], about: str) -> str:
    """Gives a table of classes with bars, under a caption."""
    rows = "".join(
        f'<tr><td>{each.class_id}</td><td dir="auto">{escape(each.label)}</td><td>{each.probability:.2%}</td>'
        f'<td><meter value="{each.probability:.4f}" style="width:12em"></meter></td></tr>'
        for each in classes
    )
    return f"<table><caption>{escape(about)}</caption>{rows}</table>"
