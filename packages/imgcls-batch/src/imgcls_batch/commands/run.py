"""`imgcls-batch run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


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


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("source")
@click.argument("output")
@click.option("--model", type=click.Path(path_type=Path), required=True, help="The artifact, an .onnx file.")
@click.option("--column", help="Of a CSV or Parquet source: the images' bytes or URIs. [default: found by itself]")
@click.option("--top-k", type=click.IntRange(1), help="Classes that `top` names. [default: 5]")
@click.option(
    "--probabilities",
    type=click.Choice(["none", "float16", "float32"]),
    default="none",
    help="Also write the probability of every class.",
)
@click.option(
    "--max-bad", type=_Share(), default=1.0, show_default="100%", help="End when more images are not answered."
)
@click.option("--timeout", type=click.FloatRange(0.001), default=30.0, metavar="S", help="For the bytes of one image.")
@click.option("--max-image-bytes", type=click.IntRange(1), default=20_000_000, help="Above it an image is refused.")
@click.option("--max-image-pixels", type=click.IntRange(1, 178_956_970), default=25_000_000, help="Likewise.")
@click.option("--shard-size", type=click.IntRange(1, 100_000), help="Images in one file. [default: up to 1000]")
@click.option("--workers", type=click.IntRange(1), help="Processes. [default: one for each core; one for a GPU]")
@click.option("--ray", metavar="ADDRESS", help="Run on this Ray cluster: auto, HOST:PORT, ray://…, or local.")
@click.option("--readers", type=click.IntRange(1), help="Threads of a worker that read ahead. [default: 2, remote 16]")
@click.option("--max-batch", type=click.IntRange(1), help="Images in one inference. [default: 1; 32 on a GPU]")
@click.option("--provider", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Execution provider.")
@click.option("--report/--no-report", default=True, help="Write OUTPUT/_imgcls/report.html at the end.")
@click.option("--json", "as_json", is_flag=True, help="Progress and result as JSON lines on standard output.")
def command(*, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's own
    """Classify every image of SOURCE and write one row for each into the Parquet files of OUTPUT.

    SOURCE is a folder or bucket, a glob, a tar file, a Parquet file with a column of images, or a list of paths and
    URLs (.txt, .csv, .parquet); local, s3://, gs://, az:// or https://. OUTPUT is a folder or bucket. An image that
    cannot be answered is a row with a code. Killed anywhere, the same command goes on where it stopped.
    """
    from imgcls_batch.commands.run_session import run_session

    run_session(options, as_json=as_json)
