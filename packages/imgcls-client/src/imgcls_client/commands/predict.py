"""`imgcls-client predict`."""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
from imgcls_cli.helped import HelpedCommand
from imgcls_cli.printable import echo
from imgcls_cli.terminal import show_items

from imgcls_client.commands.connection_options import client_from, connection_options, settings_of

if TYPE_CHECKING:
    from imgcls_client.predict.output import Form, RunCounters
    from imgcls_client.predict.resumption import Earlier

_SUFFIX_FORMS: dict[str, Form] = {
    "": "table", ".txt": "table", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"
}  # fmt: skip


@click.command(
    cls=HelpedCommand,
    examples=(
        "imgcls-client predict tench.jpg",
        "imgcls-client predict photos/ 'more/*.png' --top-k 3",
        "imgcls-client predict photos/ --output preds.jsonl --resume",
        "curl -s https://example.org/cat.jpg | imgcls-client predict - --quiet",
    ),
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--top-k", type=click.IntRange(min=1), help="How many classes to show.  [default: 1; 5 with --json(l)]")
@click.option("--model", help="Ask this model instead of the service's default one.")
@click.option("-q", "--quiet", "form", flag_value="quiet", help="Print the class id alone.")
@click.option("--json", "form", flag_value="json", help="Print one JSON document.")
@click.option("--jsonl", "form", flag_value="jsonl", help="Print one JSON object a line, as answers come.")
@click.option("--csv", "form", flag_value="csv", help="Print comma-separated values.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write results to this new file; .json, .jsonl and .csv choose the form.",
)
@click.option("--resume", is_flag=True, help="Go on with the --output file (.jsonl) of a run that stopped.")
@click.option("--concurrency", type=click.IntRange(1, 256), default=8, show_default=True, help="Calls at once.")
@connection_options
@click.pass_context
def predict(
    context: click.Context,
    images: tuple[str, ...],
    top_k: int | None,
    model: str | None,
    form: str | None,
    output: Path | None,
    resume: bool,
    concurrency: int,
) -> None:
    """Classify images: files, folders (with all below), patterns, http(s) addresses, or - for standard input.

    Prints class id, label, probability and the time that the call took. An image that cannot be read or used is one
    line in the output, and the exit code is then 1.
    """
    from imgcls_client.predict.classification import classify
    from imgcls_client.predict.image_sources import find_images
    from imgcls_client.predict.output import PredictionOutput, opened
    from imgcls_client.predict.resumption import Earlier, take_up

    chosen = _chosen_form(form, output, resume=resume)
    sources = list(find_images(images))
    earlier = take_up(output) if resume and output is not None else Earlier()
    to_do = [source for source in sources if source.name not in earlier.names]
    name_width = 0 if len(sources) == 1 else max((len(source.name) for source in sources), default=0)
    started = time.perf_counter()
    with (
        client_from(settings_of(context), max_connections=concurrency) as client,
        opened(output, chosen, resume=resume) as stream,
    ):
        table = PredictionOutput(stream, chosen, name_width=name_width, top_k=top_k or 1)
        outcomes = classify(client, to_do, in_flight=concurrency, top_k=top_k, model=model)
        try:
            for outcome in show_items(outcomes, "classifying", len(to_do), shown=output is not None or _goes_to_file()):
                table.write(outcome)
        finally:
            unfinished = len(to_do) - table.counters.answered - table.counters.failed
            if unfinished and output is not None:
                echo(f"{unfinished} of {len(sources)} images are not done; go on with --resume.", err=True)
        table.finish(time.perf_counter() - started)
    _report(table.counters, earlier, time.perf_counter() - started, spoken=len(sources) > 1)
    context.exit(1 if table.counters.failed + earlier.failed else 0)


def _goes_to_file() -> bool:
    """Says whether rows go to a file: a bar would stand among those on a terminal, or at the end of a pipe."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    except OSError:
        return False


def _chosen_form(form: str | None, output: Path | None, *, resume: bool) -> Form:
    suffix = "" if output is None else output.suffix.lower()
    if form is None and suffix not in _SUFFIX_FORMS:
        raise click.UsageError(
            f"{output} ends in {suffix}, which is not written: name it .csv (which spreadsheets open), .json, .jsonl "
            "or .txt, or say the form with --csv, --json or --jsonl."
        )
    chosen = cast("Form", form) if form is not None else _SUFFIX_FORMS[suffix]
    if resume and (output is None or chosen != "jsonl"):
        raise click.UsageError("--resume goes on with a JSONL file: name it with --output FILE.jsonl.")
    return chosen


def _report(counters: RunCounters, earlier: Earlier, elapsed_s: float, *, spoken: bool) -> None:
    models = {sha256 for sha256 in (earlier.model_sha256, *counters.model_sha256) if sha256}
    if len(models) > 1:
        echo(f"imgcls-client: these answers come from {len(models)} different models.", err=True)
    if not spoken:
        return
    summary = counters.summary(elapsed_s)
    count = counters.answered + counters.failed
    before = f", {len(earlier.names)} from an earlier run" if earlier.names else ""
    calls = f"; a call took {summary['call_ms_median']:.0f} ms (median)" if counters.call_ms else ""
    rate = f" ({count / elapsed_s:.1f} a second)" if count else ""
    echo(f"{count} images, {counters.failed} failed{before}: {elapsed_s:.1f} s{rate}{calls}", err=True)
