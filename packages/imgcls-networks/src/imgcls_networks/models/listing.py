"""The models that can be converted by name, as `--list` shows them: the bundled one first, then the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from imgcls_cli.progress import Progress

from imgcls_networks.errors import RequestError
from imgcls_networks.models import bundled
from imgcls_networks.models.catalog import read_catalog
from imgcls_networks.models.trained_model import WEIGHTS_NAME, TrainedModel
from imgcls_networks.weights.source import WeightsSource

_LINE: Final = "{:<20} {:<26} {:>7} {:>8} {:>8} {:>6}  {:<12} {}\n"


class ListedModel(msgspec.Struct, frozen=True):
    """One line of the list; `in_package` says that nothing needs to be downloaded."""

    name: str
    dataset: str
    classes: int
    top1_pct: float | None
    top5_pct: float | None
    megabytes: float
    licence: str
    in_package: bool
    sources: Sequence[WeightsSource]


def list_models(progress: Progress) -> list[ListedModel]:
    """Gives what there is; a package without its model is an incomplete one, and the progress says so."""
    models = [
        ListedModel(
            name=e.name,
            dataset=e.dataset,
            classes=e.classes,
            top1_pct=e.top1_pct,
            top5_pct=e.top5_pct,
            megabytes=e.megabytes,
            licence=e.licence,
            in_package=False,
            sources=e.sources,
        )
        for e in read_catalog().values()
    ]
    try:
        folder = bundled.bundled_folder()
    except RequestError as error:
        progress.note(str(error))
        return models
    card = TrainedModel.read(folder)
    found = card.evaluation
    own = ListedModel(
        name=card.name,
        dataset=bundled.DATASET,
        classes=len(card.classes),
        top1_pct=found.top1_pct if found else None,
        top5_pct=found.top5_pct if found else None,
        megabytes=round((folder / WEIGHTS_NAME).stat().st_size / 1e6, 3),
        licence=" ".join(card.terms.split()),
        in_package=True,
        sources=(),
    )
    return [own, *models]


def listing_json(models: Sequence[ListedModel]) -> str:
    """Gives one document: a list of objects."""
    return msgspec.json.format(msgspec.json.encode(models), indent=2).decode() + "\n"


def listing_table(models: Sequence[ListedModel]) -> str:
    """Lines for a user; terms that are sentences follow below the table."""
    lines = [_LINE.format("name", "dataset", "classes", "top-1 %", "top-5 %", "MB", "licence", "source")]
    for m in models:
        licence = "see below" if m.in_package else m.licence if "/" not in m.licence else "see " + m.licence
        source = "in the package" if m.in_package else m.sources[0].url
        figures = (str(m.classes), _percent(m.top1_pct), _percent(m.top5_pct), f"{m.megabytes:.0f}")
        lines.append(_LINE.format(m.name, m.dataset, *figures, licence, source))
    lines += [f"\n{m.name}: {m.licence}\n" for m in models if m.in_package]
    return "".join(lines)


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"
