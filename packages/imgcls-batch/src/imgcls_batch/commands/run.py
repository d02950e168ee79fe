"""`imgcls-batch run`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, get_args

import click
from imgcls_cli.durations import DURATION
from imgcls_cli.helped import HelpedCommand, HelpedOption
from imgcls_core.inference.providers import ProviderRequest


class _Share(click.ParamType[float]):
    name = "PERCENT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        try:
            share = float(str(value).removesuffix("%")) / 100
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is not a share; write 5% (0% to 100%)", param, ctx)
        return share


_rows, _limits, _machine = (
    partial(click.option, cls=HelpedOption, group=name) for name in ("Rows", "Limits", "Machine")
)


@click.command(
    cls=HelpedCommand,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    examples=(
        "imgcls-batch run photos/ out/ --model everyday100.onnx",
        "imgcls-batch run 's3://archive/*.tar' s3://rows --model pets.onnx --max-bad 5%",
        "imgcls-batch run urls.csv out/ --model pets.onnx --column link --timeout 10s",
        "imgcls-batch run photos/ out/ --model pets.onnx --ray auto --workers 64",
    ),
)
@click.argument("source")
@click.argument("output")
@click.option("--model", type=click.Path(path_type=Path), required=True, help="The artifact, an .onnx file.")
@click.option(
    "--column", metavar="NAME", help="Of a CSV or Parquet source: the images' bytes or URIs. [default: found by itself]"
)
@click.option("--report/--no-report", default=True, help="Write OUTPUT/_imgcls/report.html at the end.")
@click.option("--json", "as_json", is_flag=True, help="Progress and result as JSON lines on standard output.")
@_rows("--top-k", type=click.IntRange(1), metavar="N", help="Classes that `top` names. [default: 5]")
@_rows(
    "--probabilities",
    type=click.Choice(["none", "float16", "float32"]),
    default="none",
    help="Also write the probability of every class.",
)
@_rows(
    "--shard-size",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Images in one file. [default: up to 1000]",
)
@_limits(
    "--max-bad",
    type=_Share(),
    default=1.0,
    show_default=False,
    help="End when more images are not answered. [default: 100%]",
)
@_limits("--timeout", type=DURATION, default="30s", help="For the bytes of one image.")
@_limits(
    "--max-image-bytes",
    type=click.IntRange(1),
    metavar="N",
    default=20_000_000,
    help="Above it an image is refused.",
)
@_limits(
    "--max-image-pixels",
    type=click.IntRange(1, 178_956_970),
    metavar="N",
    default=25_000_000,
    help="Above it an image is refused.",
)
@_machine(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Processes. [default: one for each core; one for a GPU]",
)
@_machine("--ray", metavar="ADDRESS", help="Run on this Ray cluster: auto, HOST:PORT, ray://…, or local.")
@_machine(
    "--readers",
    type=click.IntRange(1),
    metavar="N",
    help="Threads of a worker that read ahead. [default: 2, remote 16]",
)
@_machine(
    "--max-batch",
    type=click.IntRange(1),
    metavar="N",
    help="Images in one inference. [default: 1; 32 on a GPU]",
)
@_machine(
    "--provider",
    type=click.Choice(get_args(ProviderRequest)),
    default="auto",
    metavar="NAME",
    help=f"What runs the network: {', '.join(get_args(ProviderRequest))}.",
)
def command(*, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's own
    """Classify every image of SOURCE and write one row for each into the Parquet files of OUTPUT.

    SOURCE is a folder or bucket, a glob, a tar file, a Parquet file with a column of images, or a list of paths and
    URLs (.txt, .csv, .parquet); local, s3://, gs://, az:// or https://. OUTPUT is a folder or bucket. An image that
    cannot be answered is a row with a code. Killed anywhere, the same command goes on where it stopped.
    """
    from imgcls_batch.commands.run_session import run_session

    run_session(options, as_json=as_json)
