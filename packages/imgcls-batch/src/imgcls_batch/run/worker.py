"""One worker: proves that it answers as the artifact says, then turns shards into rows. The same in every engine."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

import numpy as np
from imgcls_contract import PROBLEMS
from imgcls_core import DecodeLimits, ImageError, ImagePreprocessor, ImgclsError, OnnxClassifier
from imgcls_core.artifact.answer_bins import entropies
from imgcls_core.decoding.bounded import BoundedDecoder
from imgcls_core.errors import InferenceError
from imgcls_core.inference.top_k import top_ids
from imgcls_core.memory import tune_malloc
from numpy.typing import NDArray

from imgcls_batch.output.manifest import read_shard
from imgcls_batch.output.objects import open_output
from imgcls_batch.output.rows import ImageFacts, ShardRows
from imgcls_batch.output.sessions import SlowImage
from imgcls_batch.run.job import BatchJob, ShardOutcome, ShardTask
from imgcls_batch.run.read_ahead import Fetched, ReadAhead
from imgcls_batch.run.suspects import Suspects
from imgcls_batch.sources.entry import Entry
from imgcls_batch.sources.faults import ImageLateError, WorkerDiedError
from imgcls_batch.sources.reading import ImageReader
from imgcls_batch.sources.stretches import stretches

_SLOWEST: Final = 5
# Answers whose rows are filled at a time.
_TOGETHER: Final = 32
_INTERNAL: Final = PROBLEMS["internal_error"].code

Stretch = Fetched[list[Entry], "list[bytes | ImgclsError]"]
OnImages = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Fetched:
    entry: Entry
    content: bytes | ImgclsError
    read_ms: float


@dataclass(frozen=True, slots=True)
class _Picture:
    row: int
    uri: str
    facts: ImageFacts
    pixels: NDArray[np.uint8]
    read_ms: float
    decode_ms: float


class ShardWorker:
    """Answers shards of one run.

    Args:
        job: the run.

    Raises:
        ArtifactError: the artifact cannot be used, or is another than the run's.
        GoldenMismatchError: this machine answers differently than PyTorch did; it must not write.
    """

    def __init__(self, job: BatchJob) -> None:
        tune_malloc()
        self._job = job
        self._run = job.run
        self._classifier = OnnxClassifier(job.model, provider=job.provider, threads=job.threads)
        self._classifier.check_golden()
        options = job.run.options
        limits = DecodeLimits(max_bytes=options.max_image_bytes, max_pixels=options.max_image_pixels)
        self._decoder = BoundedDecoder(ImagePreprocessor(self._classifier.metadata.preprocessing, limits))
        self._reader = ImageReader(max_bytes=options.max_image_bytes, timeout_s=job.timeout_s, column=job.run.column)
        self._ahead = ReadAhead(self._reader.read_stretch, threads=job.readers, timeout_s=job.timeout_s)
        self._output = open_output(job.output)

    def classify(self, task: ShardTask, on_images: OnImages) -> ShardOutcome:
        """Answers a shard and writes its rows, unless somebody has meanwhile.

        Args:
            task: which shard, and whether image by image, after a worker died on it.
            on_images: is told of so many more images.

        Raises:
            OutputUnreachableError: OUTPUT cannot be read or written.
            InferenceError: the runtime fails on every image.
        """
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        shard = task.shard
        entries = read_shard(self._output, self._run.manifest, shard)
        classes = self._classifier.metadata.classes
        rows = ShardRows([entry.uri for entry in entries], shard * self._run.manifest.shard_size, classes, self._run)
        answers = _ShardAnswers(rows, self._classifier, self._run.options.top_k)
        batch: list[_Picture] = []
        most = 1 if task.is_careful else self._job.max_batch
        for row, fetched in self._one_by_one(shard, entries) if task.is_careful else enumerate(self._fetch(entries)):
            picture = self._picture(row, fetched, answers)
            on_images(1)
            if picture is not None:
                batch.append(picture)
            if len(batch) == most:
                answers.infer(batch)
                batch = []
        answers.infer(batch)
        answers.fill()
        self._output.create(self._run.shard_name(shard), rows.to_parquet(shard))
        took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
        return ShardOutcome(shard, len(entries), dict(answers.bad), tuple(answers.slowest), took_s, cpu_s)

    def _fetch(self, entries: Sequence[Entry]) -> Iterator[_Fetched]:
        """Gives the bytes of the images in their order, read ahead and by the stretch."""
        for stretch in self._ahead(stretches(entries)):
            if isinstance(stretch.error, ImageLateError) and len(stretch.item) > 1:
                # One of them hangs; each is tried by itself, so that it alone is late.
                for entry in stretch.item:
                    yield from _singly(next(self._ahead([[entry]])))
            else:
                yield from _singly(stretch)

    def _one_by_one(self, shard: int, entries: Sequence[Entry]) -> Iterator[tuple[int, _Fetched]]:
        """Reads nothing ahead; an image on which workers died is left out."""
        suspects = Suspects(self._output, shard)
        for row, entry in enumerate(entries):
            if suspects.is_guilty(row):
                yield row, _Fetched(entry, WorkerDiedError(), 0)
                continue
            suspects.begin(row)
            yield row, next(self._fetch([entry]))
        suspects.begin(None)

    def _picture(self, row: int, fetched: _Fetched, answers: _ShardAnswers) -> _Picture | None:
        """Decodes one image; one that cannot be is refused in its row."""
        content = fetched.content
        if isinstance(content, ImgclsError):
            answers.refuse(row, ImageFacts(fetched.entry.size_bytes), content)
            return None
        size, sha256 = len(content), hashlib.sha256(content).hexdigest()
        started_s = time.perf_counter()
        try:
            image = self._decoder.prepare(content)
        except ImageError as error:
            answers.refuse(row, ImageFacts(size, sha256), error)
            return None
        decode_ms = (time.perf_counter() - started_s) * 1000
        facts = ImageFacts(size, sha256, image.width_px, image.height_px)
        return _Picture(row, fetched.entry.uri, facts, image.pixels, fetched.read_ms, decode_ms)


def _singly(stretch: Stretch) -> Iterator[_Fetched]:
    """Gives what came of each image of a stretch; a bug of ours is no fault of an image."""
    contents: Sequence[bytes | ImgclsError]
    if stretch.result is not None:
        contents = stretch.result
    elif isinstance(stretch.error, ImgclsError):
        contents = [stretch.error] * len(stretch.item)
    else:
        raise stretch.error or AssertionError
    for entry, content in zip(stretch.item, contents, strict=True):
        yield _Fetched(entry, content, stretch.took_ms / len(stretch.item))


class _ShardAnswers:
    """Fills the rows of a shard and counts what was refused."""

    def __init__(self, rows: ShardRows, classifier: OnnxClassifier, top_k: int) -> None:
        self._rows, self._classifier, self._top_k = rows, classifier, top_k
        self._answered: list[tuple[_Picture, NDArray[np.float32], float]] = []
        self.bad: Counter[str] = Counter()
        self.slowest: list[SlowImage] = []

    def refuse(self, row: int, facts: ImageFacts, error: ImgclsError) -> None:
        code = error.code if error.code in PROBLEMS else PROBLEMS["image_undecodable"].code
        self._rows.refuse(row, facts, code, str(error))
        self.bad[code] += 1

    def fail(self, picture: _Picture, detail: str) -> None:
        """Fills a row that the model has no answer for."""
        self._rows.refuse(picture.row, picture.facts, _INTERNAL, detail)
        self.bad[_INTERNAL] += 1

    def infer(self, batch: list[_Picture]) -> None:
        """Answers a batch; when it fails, one image after another, so that one cannot spoil its neighbours' rows."""
        if not batch:
            return
        started_s = time.perf_counter()
        first, *more = (picture.pixels for picture in batch)
        try:
            probabilities = self._classifier.predict(np.stack([first, *more]) if more else first)
        except InferenceError:
            if len(batch) == 1:
                raise
            self._infer_singly(batch)
            return
        infer_ms = (time.perf_counter() - started_s) * 1000 / len(batch)
        self._answered += ((picture, row, infer_ms) for picture, row in zip(batch, probabilities, strict=True))
        if len(self._answered) >= _TOGETHER:
            self.fill()

    def fill(self) -> None:
        """Fills the rows of what was answered, several at a time: numpy's calls cost more than one image's numbers."""
        answered, self._answered = self._answered, []
        if not answered:
            return
        pictures, vectors, _ = zip(*answered, strict=True)
        probabilities = np.stack(vectors)
        entropy = entropies(probabilities)
        good = np.flatnonzero(np.isfinite(entropy))
        top = [top_ids(probabilities[place], self._top_k) for place in good]
        if top:
            chosen = [pictures[place] for place in good]
            rows, facts = [picture.row for picture in chosen], [picture.facts for picture in chosen]
            self._rows.answer(rows, facts, probabilities[good], np.asarray(top, np.intp), entropy[good])
        for place in np.flatnonzero(~np.isfinite(entropy)):
            self.fail(pictures[place], "The model answers this image with numbers that are no probabilities.")
        slow = (SlowImage(one.uri, one.read_ms, one.decode_ms + infer_ms) for one, _, infer_ms in answered)
        self.slowest = nlargest(_SLOWEST, [*self.slowest, *slow], key=lambda one: one.read_ms + one.answer_ms)

    def _infer_singly(self, batch: list[_Picture]) -> None:
        failed: list[tuple[_Picture, InferenceError]] = []
        for picture in batch:
            try:
                self.infer([picture])
            except InferenceError as error:
                failed.append((picture, error))
        if len(failed) == len(batch):
            raise failed[0][1]  # it is not the images
        for picture, error in failed:
            self.fail(picture, str(error))
