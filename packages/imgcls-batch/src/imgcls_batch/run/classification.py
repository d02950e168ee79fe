"""A run from its first listing to its last shard: what `imgcls-batch run` does, whatever engine drives the workers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from imgcls_core import OnnxClassifier
from imgcls_report import machine_words, version_words
from msgspec import structs

from imgcls_batch.errors import SourceError
from imgcls_batch.output.manifest import read_entries, write_manifest
from imgcls_batch.output.objects import OutputObjects, open_output
from imgcls_batch.output.run_document import ArtifactId, ManifestId, RowOptions, RunDocument, read_run, write_run
from imgcls_batch.output.sessions import write_session
from imgcls_batch.run.counters import SessionCounters
from imgcls_batch.run.job import BatchJob, ShardOutcome
from imgcls_batch.sources.entry import Entry, suffix
from imgcls_batch.sources.listing import check_source, list_entries
from imgcls_batch.sources.places import normal_place, protocol_of
from imgcls_batch.sources.walk import is_pattern

_TOP: Final = 5


class ShardEngine(Protocol):
    """Drives workers."""

    def outcomes(self, job: BatchJob, shards: Iterable[int]) -> Iterator[ShardOutcome]:
        """Gives finished shards as they come, in no order."""
        ...


class SessionObserver(Protocol):
    """Is told how a session goes."""

    def listing(self, images: int) -> None:
        """So many images of the source are listed."""
        ...

    def began(self, run: RunDocument, counters: SessionCounters) -> None:
        """The manifest stands; shards are being answered."""
        ...

    def moved(self, counters: SessionCounters) -> None:
        """Some more images are answered."""
        ...


@dataclass(frozen=True)
class RunRequest:
    """What the user asks for.

    Args:
        source: where the images are.
        output: where the rows go.
        model: the artifact.
        column: of a CSV or Parquet source.
        options: what decides what a row says; a `top_k` of 0 takes five, or all classes where there are fewer.
        shard_size: images in a shard; None chooses.
        max_bad: largest share of images without an answer.
        timeout_s: for the bytes of one image.
        provider: as `OnnxClassifier` takes it.
        readers: threads that read ahead in each worker.
        threads: processors for one inference on the CPU.
        max_batch: images in one inference.
    """

    source: str
    output: str
    model: Path
    column: str | None
    options: RowOptions
    shard_size: int | None
    max_bad: float
    timeout_s: float
    provider: str
    readers: int
    threads: int
    max_batch: int


def classify_source(
    request: RunRequest, engine: ShardEngine, observer: SessionObserver
) -> tuple[RunDocument, SessionCounters]:
    """Answers every image of a source that has no row yet.

    Raises:
        BatchError: the run cannot begin or go on; what is written stays.
        ArtifactError: the artifact cannot be used.
    """
    output = open_output(request.output)
    run = _begun(request, output, observer)
    done = run.finished_shards(output)
    manifest = run.manifest
    counters = SessionCounters(manifest.images, sum(manifest.size_of(shard) for shard in done))
    observer.began(run, counters)
    job = BatchJob(
        run,
        output.url,
        request.model.absolute(),
        request.provider,
        request.timeout_s,
        request.readers,
        request.threads,
        request.max_batch,
    )
    try:
        for outcome in engine.outcomes(job, (shard for shard in range(manifest.shards) if shard not in done)):
            counters.finished(outcome)
            observer.moved(counters)
            counters.check_bad(request.max_bad)
    finally:
        if counters.done:
            write_session(output, counters.record())
    return run, counters


def _begun(request: RunRequest, output: OutputObjects, observer: SessionObserver) -> RunDocument:
    """Gives the run that OUTPUT holds, or begins one: the manifest first, then the document that names it."""
    asked = _asked(request)
    existing = read_run(output)
    if existing is None:
        check_source(request.source)
        folder = f"_imgcls/manifest-{secrets.token_hex(4)}"
        entries = _counted(_entries(request), observer.listing)
        manifest = write_manifest(output, folder, entries, shard_size=request.shard_size)
        existing = write_run(output, structs.replace(asked, manifest=manifest))
    existing.check_same(asked, output.url)
    return existing


def _entries(request: RunRequest) -> Iterator[Entry]:
    """Lists the source; that of an earlier run's OUTPUT is its manifest, so that two models see the same images."""
    if not is_pattern(request.source) and suffix(request.source) == "":
        earlier = open_output(request.source) if protocol_of(request.source) not in {"http", "https"} else None
        if earlier is not None and (run := read_run(earlier)) is not None:
            return read_entries(earlier, run.manifest)
    return list_entries(request.source, column=request.column)


def _asked(request: RunRequest) -> RunDocument:
    classifier = OnnxClassifier(request.model, provider="cpu", threads=1, warm_up=False)
    metadata = classifier.metadata
    return RunDocument(
        source=normal_place(request.source),
        column=request.column,
        artifact=ArtifactId(
            metadata.name,
            classifier.sha256,
            tuple(entry.label for entry in metadata.classes),
            metadata.reference,
            metadata.source.precision,
        ),
        options=structs.replace(request.options, top_k=_top_k(request.options.top_k, len(metadata.classes))),
        manifest=ManifestId("", 1, 1, 1, ""),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_words(),
        versions=version_words(),
    )


def _top_k(asked: int, classes: int) -> int:
    if asked > classes:
        raise SourceError(f"--top-k is {asked}; the artifact has {classes} classes.")
    return asked or min(_TOP, classes)


def _counted(entries: Iterator[Entry], tell: Callable[[int], None]) -> Iterator[Entry]:
    count = 0
    for count, entry in enumerate(entries, 1):
        if count % 1_000 == 0:
            tell(count)
        yield entry
    tell(count)
