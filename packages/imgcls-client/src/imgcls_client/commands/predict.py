"""`imgcls-client predict`."""

import json
import time

import click

from imgcls_client.classification import classify
from imgcls_client.commands.connection_options import client_from, connection_options, settings_of
from imgcls_client.image_sources import find_images
from imgcls_client.prediction_rows import human_row, json_row

__all__ = ["predict"]


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top-k", type=click.IntRange(min=1), help="How many classes to show.  [default: 1; 5 with --json]")
@click.option("-q", "--quiet", is_flag=True, help="Print the class id alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Calls at once.")
@connection_options
@click.pass_context
def predict(
    context: click.Context, images: tuple[str, ...], top_k: int | None, quiet: bool, as_json: bool, concurrency: int
) -> None:
    """Classify pictures: files, folders (with all below), or - for one picture on standard input.

    Prints class id, label, probability and the time that the call took. A picture that cannot be read or used is one
    line in the output, and the exit code is then 1.
    """
    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other.")
    sources = list(find_images(images))
    name_width = 0 if len(sources) == 1 else max(len(source.name) for source in sources)
    rows: list[dict[str, object]] = []
    failed = 0
    started = time.perf_counter()
    with client_from(settings_of(context), max_connections=concurrency) as client:
        for outcome in classify(client, sources, in_flight=concurrency, top_k=top_k):
            failed += outcome.prediction is None
            if as_json:
                rows.append(json_row(outcome))
            elif quiet and outcome.prediction is not None:
                click.echo(outcome.prediction.class_id)
            else:
                click.echo(human_row(outcome, name_width=name_width, top_k=top_k or 1), err=quiet)
    elapsed_s = time.perf_counter() - started
    if as_json:
        summary = {"images": len(sources), "failed": failed, "elapsed_s": round(elapsed_s, 3)}
        click.echo(json.dumps({"results": rows, "summary": summary}, indent=2, ensure_ascii=False))
    elif len(sources) > 1:
        rate = len(sources) / elapsed_s
        click.echo(f"{len(sources)} images, {failed} failed, {elapsed_s:.1f} s ({rate:.1f} a second)", err=True)
    context.exit(1 if failed else 0)
