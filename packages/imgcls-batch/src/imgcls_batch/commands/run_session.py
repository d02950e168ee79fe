"""One session of `imgcls-batch run`: options → request and engine, outcome → lines."""

from __future__ import annotations

from typing import Any, Final

from imgcls_cli.printable import echo
from imgcls_core.cpus import allotted_cpus
from imgcls_core.inference.onnx_runtime import import_runtime
from imgcls_core.inference.providers import choose_provider, find_gpu, is_openvino

from imgcls_batch.commands.run_progress import JsonLines, TerminalLines
from imgcls_batch.output.run_document import RowOptions
from imgcls_batch.run.classification import RunRequest, ShardEngine, classify_source
from imgcls_batch.run.pool import ProcessPool
from imgcls_batch.run.ray_cluster import RayCluster
from imgcls_batch.sources.places import protocol_of

_LOCAL_READERS: Final = 2
_REMOTE_READERS: Final = 16
_GPU_BATCH: Final = 32
_REPORT_FILE: Final = "_imgcls/report.html"


def run_session(options: dict[str, Any], *, as_json: bool) -> None:
    """Runs until every image has its row, and says what was done.

    Args:
        options: of the command line.
        as_json: lines for machines.
    """
    # What drives a cluster need not have the cluster's GPU.
    on_gpu = options["provider"] == "cuda" if options["ray"] is not None else _is_on_gpu(options["provider"])
    request = RunRequest(
        source=options["source"],
        output=options["output"],
        model=options["model"],
        column=options["column"],
        options=RowOptions(
            top_k=options["top_k"] or 0,
            probabilities=options["probabilities"],
            max_image_bytes=options["max_image_bytes"],
            max_image_pixels=options["max_image_pixels"],
        ),
        shard_size=options["shard_size"],
        max_bad=options["max_bad"],
        timeout_s=options["timeout"],
        # Each worker would measure for itself, and rows of two engines would stand side by side.
        provider="cpu" if options["provider"] == "auto" and not on_gpu else options["provider"],
        readers=options["readers"] or _readers(options["source"], on_gpu=on_gpu),
        threads=1,
        max_batch=options["max_batch"] or (_GPU_BATCH if on_gpu else 1),
    )
    with JsonLines() if as_json else TerminalLines() as lines:
        engine: ShardEngine
        if options["ray"] is not None:
            engine = RayCluster(options["ray"], options["workers"], on_gpu=options["provider"] == "cuda", note=_note)
        else:
            engine = ProcessPool(options["workers"] or (1 if on_gpu else allotted_cpus()), lines.under_way)
        run, counters = classify_source(request, engine, lines)
        lines.ended(run, counters)
        if options["report"] and counters.done:
            lines.reported(_write_report(request.output))


def _write_report(url: str) -> str:
    """Writes the page into OUTPUT; gives its place."""
    # DuckDB and the drawing of pages are for this alone.
    from imgcls_batch.analysis.answers import AnswerTables
    from imgcls_batch.analysis.statistics import run_statistics
    from imgcls_batch.analysis.statistics_page import statistics_page

    tables = AnswerTables(rows=url)
    output = tables.outputs["rows"]
    output.replace(_REPORT_FILE, statistics_page(run_statistics(tables), tables).encode())
    return f"{output.url}/{_REPORT_FILE}"


def _note(text: str) -> None:
    echo(f"note: {text}", err=True, fg="yellow")


def _readers(source: str, *, on_gpu: bool) -> int:
    if protocol_of(source) != "file":
        return _REMOTE_READERS
    return max(_LOCAL_READERS, allotted_cpus()) if on_gpu else _LOCAL_READERS


def _is_on_gpu(provider: str) -> bool:
    if is_openvino(provider):
        return False
    available = import_runtime().get_available_providers()
    return choose_provider(provider, available=available, gpu=find_gpu()).name == "cuda"
