"""`imgcls-train evaluate`."""

from __future__ import annotations

from pathlib import Path

import click
from imgcls_cli.files import OUTPUT_FILE
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo


@click.command(
    "evaluate",
    cls=HelpedCommand,
    examples=(
        "imgcls-train evaluate runs/flowers flowers --html evaluation.html",
        "imgcls-train evaluate models/flowers.onnx flowers --json > flowers.json",
    ),
)
@click.argument("model", metavar="RUN_OR_ARTIFACT", type=click.Path(path_type=Path))
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--split", "split_name", default="val", metavar="NAME", help="Which images of the dataset.")
@click.option("--limit", type=click.IntRange(1), metavar="IMAGES", help="Ask about so many, evenly spread.  [all]")
@click.option(
    "--html",
    type=OUTPUT_FILE,
    help="Write a page with images.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole evaluation as one JSON document.")
@click.option(
    "--fit-temperature", is_flag=True, help="Give the trained model a temperature, where held-out images gain by it."
)
def command(
    model: Path,
    dataset: Path,
    split_name: str,
    limit: int | None,
    html: Path | None,
    as_json: bool,
    fit_temperature: bool,
) -> None:
    """Say how good a model is on images that it was not trained on.

    RUN_OR_ARTIFACT is a trained model's folder, into whose model.json the evaluation is written, or an .onnx
    artifact, which is only read. DATASET's folders are matched to the model's classes by WordNet id, then by name;
    a model with more classes than the dataset may answer with any of them.
    """
    from imgcls_cli.files import replace_file
    from imgcls_cli.terminal import TerminalProgress

    from imgcls_train.data.dataset import open_split
    from imgcls_train.data.split import evenly_spread
    from imgcls_train.errors import RunError
    from imgcls_train.evaluation.document import worst_errors
    from imgcls_train.evaluation.evaluated_model import TrainedFolder, open_model
    from imgcls_train.evaluation.measurement import evaluate
    from imgcls_train.evaluation.model_card import record_evaluation
    from imgcls_train.evaluation.page import WORST, evaluation_page
    from imgcls_train.evaluation.text import evaluation_text

    progress = TerminalProgress()
    split = open_split(dataset, split_name)
    if limit is not None:
        split = evenly_spread(split, limit)
    opened = open_model(model)
    if fit_temperature and not isinstance(opened, TrainedFolder):
        raise RunError("`--fit-temperature` changes a trained model's folder; the temperature of an artifact is fixed.")
    evaluated = evaluate(opened, split, dataset, progress, fit_temperature=fit_temperature)
    found = evaluated.evaluation
    if html is not None:
        images = {place: split.read(place) for place in worst_errors(found, WORST)}
        page = evaluation_page(found, [entry.label for entry in opened.classes], images)
        replace_file(html, page)
    if isinstance(opened, TrainedFolder):
        record_evaluation(model, evaluated)
        if fit_temperature and found.temperature == opened.temperature:
            progress.note(f"the temperature stays {found.temperature:.4g}: held-out images gain nothing by another")
    echo(found.to_json().decode() if as_json else evaluation_text(found), nl=False)
