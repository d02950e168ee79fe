"""`inspect --html`: an artifact as a page, with its golden images."""

from __future__ import annotations

from pathlib import Path

from imgcls_cli.files import FileWriteError, replace_file
from imgcls_core.artifact import ArtifactMetadata, GoldenCase
from imgcls_core.images.thumbnail import thumbnail
from imgcls_core.inference.golden import golden_image
from imgcls_networks.errors import RequestError
from imgcls_report import Card, Column, cards, page, paragraph, section, table

from imgcls_convert.report.inspection import Inspection
from imgcls_convert.report.page import THUMBNAIL_PX
from imgcls_convert.report.reference_distribution import reference_section
from imgcls_convert.report.report import report_time


def write_artifact_page(found: Inspection, path: Path) -> None:
    """Writes the page.

    Raises:
        RequestError: the place cannot be written.
    """
    meta = found.metadata
    yardstick = meta.source.yardstick or "PyTorch"
    body = [
        *([reference_section(meta.reference)] if meta.reference else []),
        section(
            f"Golden cases ({len(meta.golden)})",
            paragraph(f"Every deployment is asked these images; the answers are those of {yardstick}."),
            cards(_card(case, meta) for case in meta.golden),
        ),
        section(
            f"Classes ({len(meta.classes):,})",
            table(
                (Column("id", "number", 12), Column("label", width=58), Column("WordNet id", "code", 30)),
                ((f"{entry.id}", entry.label, entry.wnid or "") for entry in meta.classes),
            ),
        ),
    ]
    written = page(
        "imgcls artifact", meta.name, body, date=report_time(), model=found.model_words, facts=found.page_facts()
    )
    try:
        replace_file(path, written)
    except FileWriteError as error:
        raise RequestError(f"`--html`: {error}") from error


def _card(case: GoldenCase, meta: ArtifactMetadata) -> Card:
    texts = [f"{meta.classes[answer.class_id].label} {answer.probability:.1%}" for answer in case.top[:3]]
    if case.expected_class_id is not None:
        texts.append(f"labelled {meta.classes[case.expected_class_id].label}")
    return Card(case.name, thumbnail(golden_image(case), THUMBNAIL_PX), texts)
