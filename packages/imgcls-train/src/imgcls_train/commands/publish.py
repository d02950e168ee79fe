"""`imgcls-train publish`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo

if TYPE_CHECKING:
    from imgcls_cli.progress import Progress

    from imgcls_train.store.publication import Evaluate, Published


@click.command(
    "publish",
    cls=HelpedCommand,
    examples=(
        "imgcls-train publish models/flowers.onnx ./store --dataset flowers",
        "imgcls-train publish models/flowers.onnx s3://models --evaluation flowers.json",
    ),
)
@click.argument("artifact", type=click.Path(path_type=Path))
@click.argument("url", metavar="STORE")
@click.option("--name", metavar="NAME", help="What the model is called in the store.  [the artifact's own]")
@click.option(
    "--report",
    "reports",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Keep a file with it, such as NAME.report.html; may be given several times.",
)
@click.option(
    "--evaluation",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="What `evaluate ARTIFACT DATASET --json` printed.",
)
@click.option("--dataset", type=click.Path(path_type=Path), metavar="ROOT", help="Evaluate the artifact on this now.")
@click.option("--split", "split_name", default="val", metavar="NAME", help="Which images of the dataset.")
@click.option("--allow-worse", is_flag=True, help="Replace the present version whatever the comparison says.")
@click.option(
    "--tolerance-pct",
    type=click.FloatRange(0, 100),
    metavar="POINTS",
    help="Largest loss of top-1, in points, that may pass for chance.  [2.0]",
)
@click.option("--new-classes", is_flag=True, help="Replace a version that tells other classes apart.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(
    artifact: Path,
    url: str,
    name: str | None,
    reports: tuple[Path, ...],
    evaluation: Path | None,
    dataset: Path | None,
    split_name: str,
    allow_worse: bool,
    tolerance_pct: float | None,
    new_classes: bool,
    as_json: bool,
) -> None:
    """Put an artifact into a model store and make it the latest version of its model.

    STORE is a folder, s3://BUCKET/PATH, gs://… or az://…; credentials come from the environment. The present version
    is replaced only by one that is not worse on the same images. Readers see the old version or the new one, whole,
    whatever happens meanwhile.
    """
    if evaluation is not None and dataset is not None:
        raise click.UsageError("`--evaluation` and `--dataset` both say how good the model is; give one of them.")

    from imgcls_cli.terminal import TerminalProgress

    from imgcls_train.store.comparison import TOLERANCE_PCT
    from imgcls_train.store.model_store import ModelStore
    from imgcls_train.store.opening import open_files
    from imgcls_train.store.publication import PublishRequest, publish

    progress = TerminalProgress()
    store = ModelStore(open_files(url), progress)
    tolerance = TOLERANCE_PCT if tolerance_pct is None else tolerance_pct
    request = PublishRequest(artifact, name, reports, allow_worse, tolerance, new_classes)
    evaluate = _evaluate(artifact, evaluation, dataset, split_name, progress)
    print_published(publish(request, store, progress, evaluate), store.url, as_json=as_json)


def _evaluate(
    artifact: Path, evaluation: Path | None, dataset: Path | None, split_name: str, progress: Progress
) -> Evaluate:
    """Gives how the artifact is evaluated: as a file says, now, or not at all."""
    from imgcls_train.evaluation.document import Evaluation

    if dataset is not None:
        from imgcls_train.store.artifact_evaluation import evaluate_artifact  # brings torch with it

        return evaluate_artifact(artifact, dataset, split_name, progress)
    given = None if evaluation is None else Evaluation.read(evaluation)
    return lambda _: given


def print_published(done: Published, url: str, *, as_json: bool) -> None:
    """Tells which version is the latest now."""
    from imgcls_train.store.documents import short

    version = done.version
    if as_json:
        document = {
            "store": url,
            "name": version.name,
            "version": version.id,
            "changed": done.changed,
            "replaced": done.replaced,
            "comparison": done.comparison,
        }
        echo(json.dumps(document, indent=2))
        return
    lines = {"model": version.name, "version": version.id, "store": url}
    if not done.changed:
        lines["latest"] = f"{short(version.id)} already; nothing has changed"
    elif done.replaced in {None, version.id}:
        lines["latest"] = short(version.id)
    else:
        lines["latest"] = f"{short(version.id)}, replaces {short(str(done.replaced))}"
    if done.comparison:
        lines["compared"] = done.comparison
    if version.evaluations:
        best = max(version.evaluations, key=lambda one: one.images)
        lines["top-1"] = f"{best.top1_pct:.2f} % on {best.split} ({best.images:,} images)"
    echo("".join(f"{key:<9} {value}\n" for key, value in lines.items()), nl=False)
