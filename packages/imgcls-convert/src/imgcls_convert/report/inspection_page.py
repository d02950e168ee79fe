"""`inspect --html`: an artifact as a page, with its golden images."""

from __future__ import annotations

from html import escape
from pathlib import Path

from imgcls_core.artifact import ArtifactMetadata, GoldenCase
from imgcls_core.inference.golden import golden_image
from imgcls_networks.errors import RequestError

from imgcls_convert.report.html_page import card, facts, page, table
from imgcls_convert.report.inspection import Inspection
from imgcls_convert.report.reference_distribution import reference_section


def write_artifact_page(found: Inspection, path: Path) -> None:
    """Writes the page.

    Raises:
        RequestError: the place cannot be written.
    """
    meta = found.metadata
    body = [
        f"<h1>{escape(meta.name)}</h1>",
        facts(found.facts()),
        *(reference_section(meta.reference) if meta.reference else ()),
        f"<h2>Golden cases ({len(meta.golden)})</h2>",
        "<p>Every deployment is asked these images; the answers are PyTorch's.</p>",
        f'<div class="cards">{"".join(_card(case, meta) for case in meta.golden)}</div>',
        "<h2>Classes</h2>",
        table(("label", "id", "WordNet id"), ((c.label, str(c.id), c.wnid or "") for c in meta.classes)),
    ]
    try:
        path.write_text(page(f"{meta.name} · imgcls artifact", body), encoding="utf-8")
    except OSError as error:
        raise RequestError(f"`--html {path}` cannot be written: {error.strerror or error}.") from error


def _card(case: GoldenCase, meta: ArtifactMetadata) -> str:
    lines = [f"{meta.classes[answer.class_id].label} {answer.probability:.1%}" for answer in case.top[:3]]
    if case.expected_class_id is not None:
        lines.append(f"labelled {meta.classes[case.expected_class_id].label}")
    return card(case.name, golden_image(case), lines)
