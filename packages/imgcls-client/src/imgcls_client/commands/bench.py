"""`imgcls-client bench`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from imgcls_cli.durations import Duration, duration_option
from imgcls_cli.files import OUTPUT_FILE, replace_file
from imgcls_cli.helped import HelpedCommand, HelpedOption
from imgcls_cli.printable import echo
from imgcls_cli.terminal import show_time
from imgcls_sdk.errors import SettingsError, UnreachableError

from imgcls_client.commands.connection_options import client_from, connection_options, settings_of

if TYPE_CHECKING:
    from imgcls_sdk.calls import Call
    from imgcls_sdk.client import ImgclsClient

    from imgcls_client.load.samples import Load, LoadFigures
    from imgcls_client.load.sweep import SweepPoint

# More images than this in memory say nothing more about a service.
_MOST_IMAGES = 256
_OPEN_LOOP_PLACES = 256


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers with commas between them."""

    name = "numbers"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Reads them."""
        parts = str(value).split(",")
        if not all(part.strip().isdecimal() and int(part) for part in parts):
            self.fail(f"{value!r} must be whole numbers above 0 with commas between them, as 1,4,16.", param, ctx)
        return tuple(map(int, parts))


def _sweep_option(flag: str, kind: Any, says: str) -> Any:  # noqa: ANN401 - click's own
    return click.option(flag, cls=HelpedOption, group="Sweep", type=kind, help=says)


@click.command(
    cls=HelpedCommand,
    examples=(
        "imgcls-client bench",
        "imgcls-client bench --rate 50 --duration 30s --html load.html",
        "imgcls-client bench --compare before.json  # of `bench --json`",
        "imgcls-client bench --sweep --price 1.02",
        "imgcls-client bench --sweep --start 'imgcls-serve m.onnx' --threads 1,2",
    ),
)
@click.argument("images", nargs=-1, metavar="[IMAGE]...")
@click.option(
    "-c", "--concurrency", type=click.IntRange(1, 4096), help="Callers at once.  [default: 8; 256 with --rate]"
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Calls a second, sent whether or not the service keeps up (open loop).",
)
@duration_option("--duration", "duration_s", "10s", "How long to measure, as in 30s; with --sweep each load.")
@duration_option("--warm-up", "warm_up_s", "2s", "Not measured, before it.", can_be_zero=True)
@click.option("--calls", type=click.IntRange(min=1), help="Stop after so many calls.")
@click.option("--model", help="Ask this model instead of the service's default one.")
@click.option("--top-k", type=click.IntRange(min=1), help="How many classes to ask for.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--html", type=OUTPUT_FILE, help="Write a page with every latency, too.")
@click.option(
    "--compare",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Set the figures against those of an earlier --json.",
)
@click.option(
    "--sweep", is_flag=True, cls=HelpedOption, group="Sweep", help="Try more and more callers, and recommend settings."
)
@_sweep_option("--start", str, "Start the service anew for each setting by this command, and vary threads and batch.")
@_sweep_option("--threads", _Numbers(), "IMGCLS_THREADS to try with --start.  [default: 1, half and all processors]")
@_sweep_option("--batches", _Numbers(), "IMGCLS_MAX_BATCH to try with --start.  [default: 1,4,16]")
@_sweep_option("--price", click.FloatRange(min=0), "What the machine costs an hour, for the cost of a million images.")
@_sweep_option("--max-p99", Duration(bare_s=0.001), "Recommend nothing that is slower, as 50ms.")
@connection_options
@click.pass_context
def bench(  # noqa: C901 - one load after another
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
    sweep: bool,
    **of_sweep: Any,  # noqa: ANN401 - the options of `_sweep`
) -> None:
    """Put load on a deployment and measure every answer.

    Sends the IMAGEs in turn, by default the model's golden images. Without --rate each caller sends its next call
    when the last one is answered (closed loop). With --rate calls are sent at even times, and latency counts from when
    a call was due, which corrects for coordinated omission.
    """
    import msgspec
    from imgcls_report import model_words
    from imgcls_sdk.calls import predict_call
    from imgcls_sdk.client import ImgclsClient

    from imgcls_client.load.generator import LoadPlan, LoadRun
    from imgcls_client.load.page import html_page
    from imgcls_client.load.report import comparison, plan_text, text_report
    from imgcls_client.predict.image_sources import find_images
    from imgcls_client.served import Served, ask_served

    if sweep and (rate or html or compare or concurrency):
        raise click.UsageError(
            "--sweep chooses the callers itself; leave --rate, --concurrency, --html, --compare out."
        )
    if any(of_sweep.values()) and not sweep:
        raise click.UsageError("--start, --threads, --batches, --price and --max-p99 go with --sweep.")
    earlier = _read_earlier(compare) if compare is not None else None
    plan = LoadPlan(concurrency or (8 if rate is None else _OPEN_LOOP_PLACES), duration_s, rate, warm_up_s, calls)
    settings = settings_of(context)

    def calls_of(client: ImgclsClient) -> list[Call]:
        encoded = [source.read() for source in islice(find_images(images), _MOST_IMAGES)]
        encoded = encoded or [case.image for case in client.golden(model).cases]
        if not encoded:
            raise SettingsError("The model carries no golden images; name some IMAGEs to send.")
        return [predict_call(each, top_k=top_k, model=model) for each in encoded]

    if sweep:

        def measure(url: str | None, callers: int) -> Load:
            with client_from(settings, is_check=True) if url is None else ImgclsClient(url) as client:
                return LoadRun(client.connection, calls_of(client), replace(plan, concurrency=callers)).run()

        _sweep(measure, as_json=as_json, **of_sweep)
        return
    with client_from(settings, is_check=True) as client:
        requests, url = calls_of(client), client.connection.url
        asked = client.predict(requests[0].body or b"", top_k=top_k, model=model).model
        served = ask_served(client, asked.name) if html is not None else Served()
        named = model_words(asked.name, asked.sha256, served.precision)
        echo(f"{plan_text(plan)}, {len(requests)} images, {url}, {named}", err=True)
        with show_time(warm_up_s + duration_s, "measuring"):
            load = LoadRun(client.connection, requests, plan).run()
    if as_json:
        put_on = {"concurrency": plan.concurrency, "rate": rate, "duration_s": duration_s, "warm_up_s": warm_up_s}
        about = {"url": url, "model": msgspec.structs.asdict(asked), "plan": put_on}
        echo(json.dumps({**about, **msgspec.structs.asdict(load.figures())}, indent=2))
    else:
        echo(text_report(load, plan))
    if earlier is not None:
        echo(comparison(load.figures(), earlier), err=as_json)
    if html is not None:
        replace_file(html, html_page(load, plan, url, named, served.words))
    if not load.answered:
        raise UnreachableError(url, f"none of {len(load.samples)} calls was answered ({', '.join(load.errors)})")


def _sweep(
    measure: Callable[[str | None, int], Load],
    *,
    start: str | None,
    threads: Sequence[int] | None,
    batches: Sequence[int] | None,
    price: float | None,
    max_p99: float | None,
    as_json: bool,
) -> None:
    """Measures every setting with more and more callers, row by row, and says which is best."""
    import msgspec

    from imgcls_client.load.report import sweep_advice, sweep_header, sweep_row
    from imgcls_client.load.sweep import recommended, started_service, sweep_callers

    cpus = os.cpu_count() or 1
    pairs = product(threads or sorted({1, max(1, cpus // 2), cpus}), batches or (1, 4, 16))
    setups: list[dict[str, str]] = (
        [{"IMGCLS_THREADS": str(one), "IMGCLS_MAX_BATCH": str(most)} for one, most in pairs] if start else [{}]
    )
    points: list[SweepPoint] = []
    if not as_json:
        echo(sweep_header(price))
    for setup in setups:
        with started_service(start, setup) if start else nullcontext(None) as url:
            for point in sweep_callers(setup, lambda callers, url=url: measure(url, callers)):
                points.append(point)
                if not as_json:
                    echo(sweep_row(point, price))
    best = recommended(points, None if max_p99 is None else max_p99 * 1000)
    if as_json:
        rows = [
            {"settings": each.settings, "callers": each.callers, **msgspec.structs.asdict(each.load.figures())}
            | ({} if price is None else {"million_images_cost": round(each.million_cost(price), 4)})
            for each in points
        ]
        echo(json.dumps({"points": rows, "recommended": None if best is None else points.index(best)}, indent=2))
    else:
        echo(sweep_advice(best, price))


def _read_earlier(path: Path) -> LoadFigures:
    """Reads an earlier run's figures.

    Raises:
        SettingsError: the file is not one that `bench --json` wrote.
    """
    import msgspec

    from imgcls_client.load.samples import LoadFigures

    try:
        return msgspec.json.decode(path.read_bytes(), type=LoadFigures)
    except (OSError, msgspec.DecodeError) as error:
        raise SettingsError(f"{path} is not a document that `bench --json` wrote: {error}.") from error
