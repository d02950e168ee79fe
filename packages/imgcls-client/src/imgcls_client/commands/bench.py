"""`imgcls-client bench`."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec
from imgcls_cli.durations import DURATION, DURATION_OR_ZERO
from imgcls_cli.files import replace_file
from imgcls_cli.printable import echo
from imgcls_cli.terminal import show_time

from imgcls_client.commands.connection_options import client_from, connection_options, settings_of
from imgcls_client.errors import SettingsError, UnreachableError
from imgcls_client.http.calls import predict_call
from imgcls_client.load.generator import LoadPlan, LoadRun
from imgcls_client.load.page import html_page
from imgcls_client.load.report import comparison, plan_text, text_report
from imgcls_client.load.samples import LoadFigures
from imgcls_client.predict.image_sources import find_images

# More images than this in memory say nothing more about a service.
_MOST_IMAGES = 256
_OPEN_LOOP_PLACES = 256


@click.command()
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.option(
    "-c", "--concurrency", type=click.IntRange(1, 4096), help="Callers at once.  [default: 8; 256 with --rate]"
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Calls a second, sent whether or not the service keeps up (open loop).",
)
@click.option(
    "--duration", "duration_s", type=DURATION, default="10s", show_default=True, help="How long to measure, as in 30s."
)
@click.option(
    "--warm-up", "warm_up_s", type=DURATION_OR_ZERO, default="2s", show_default=True, help="Not measured, before it."
)
@click.option("--calls", type=click.IntRange(min=1), help="Stop after so many calls.")
@click.option("--model", help="Ask this model instead of the service's default one.")
@click.option("--top-k", type=click.IntRange(min=1), help="How many classes to ask for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with every latency, too.")
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Set the figures against those of an earlier --json.",
)
@connection_options
@click.pass_context
def bench(
    context: click.Context,
    images: tuple[str, ...],
    concurrency: int | None,
    rate: float | None,
    duration_s: float,
    warm_up_s: float,
    calls: int | None,
    model: str | None,
    top_k: int | None,
    as_json: bool,
    html: Path | None,
    compare: Path | None,
) -> None:
    """Put load on a deployment and measure every answer.

    Sends the IMAGEs in turn, by default the model's golden images. Without --rate each caller sends its next call
    when the last one is answered (closed loop). With --rate calls are sent at even times, and latency counts from when
    a call was due, which corrects for coordinated omission.
    """
    earlier = _read_earlier(compare) if compare is not None else None
    plan = LoadPlan(concurrency or (8 if rate is None else _OPEN_LOOP_PLACES), duration_s, rate, warm_up_s, calls)
    with client_from(settings_of(context), is_check=True) as client:
        encoded = [source.read() for source, _ in zip(find_images(images), range(_MOST_IMAGES), strict=False)]
        encoded = encoded or [case.image for case in client.golden(model).cases]
        if not encoded:
            raise SettingsError("The model carries no golden images; name some IMAGEs to send.")
        asked = client.predict(encoded[0], top_k=top_k, model=model).model
        named = f"{asked.name} (sha256 {asked.sha256[:12]}…)"
        echo(f"{plan_text(plan)}, {len(encoded)} images, {client.connection.url}, {named}", err=True)
        requests = [predict_call(each, top_k=top_k, model=model) for each in encoded]
        with show_time(warm_up_s + duration_s, "measuring"):
            load = LoadRun(client.connection, requests, plan).run()
        url = client.connection.url
    if as_json:
        put_on = {"concurrency": plan.concurrency, "rate": rate, "duration_s": duration_s, "warm_up_s": warm_up_s}
        about = {"url": url, "model": msgspec.structs.asdict(asked), "plan": put_on}
        echo(json.dumps({**about, **msgspec.structs.asdict(load.figures())}, indent=2))
    else:
        echo(text_report(load, plan))
    if earlier is not None:
        echo(comparison(load.figures(), earlier), err=as_json)
    if html is not None:
        replace_file(html, html_page(load, plan, url, named))
    if not load.answered:
        raise UnreachableError(url, f"none of {len(load.samples)} calls was answered ({', '.join(load.errors)})")


def _read_earlier(path: Path) -> LoadFigures:
    """Reads an earlier run's figures.

    Raises:
        SettingsError: the file is not one that `bench --json` wrote.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=LoadFigures)
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path} is not a document that `bench --json` wrote: {error}.") from error
