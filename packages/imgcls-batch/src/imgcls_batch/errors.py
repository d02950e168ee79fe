"""What can go wrong with a run as a whole; what is wrong with one image is a row and no error.

BatchError
├── SourceError              exit 2    SOURCE cannot be listed
├── NoRunError               exit 2    there are no rows to look at
├── OutputUnreachableError   exit 3    OUTPUT cannot be read or written
├── ClusterError             exit 3    the Ray cluster cannot be reached
├── OtherRunError            exit 4    OUTPUT belongs to another model or other options
├── TooManyBadImagesError    exit 1    the run goes wrong as a whole
├── ShardUnfinishedError     exit 5    workers died or failed on a shard again and again
└── WorkerFailedError                  what a worker on another process or machine raised, with its exit code
"""

from __future__ import annotations

from imgcls_cli.program import describe_bug
from imgcls_core.errors import GoldenMismatchError, ImgclsError, InvalidAnswerError


class BatchError(ImgclsError):
    """Base of the errors of a run; the text is one sentence for the user."""

    exit_code: int = 2


class SourceError(BatchError):
    """SOURCE is not there, cannot be listed, or holds no images."""

    code = "source_error"


class NoRunError(BatchError):
    """There are no rows to look at, or none that the question fits."""

    code = "no_run"


class OutputUnreachableError(BatchError):
    """OUTPUT cannot be read or written."""

    code = "output_unreachable"
    exit_code = 3


class ClusterError(BatchError):
    """The Ray cluster cannot be reached or used."""

    code = "cluster_error"
    exit_code = 3


class OtherRunError(BatchError):
    """OUTPUT holds rows of another model, of other options or of another source."""

    code = "other_run"
    exit_code = 4


class TooManyBadImagesError(BatchError):
    """More images than allowed could not be answered.

    Args:
        bad: images without an answer.
        images: of so many.
        limit: largest share allowed.
    """

    code = "too_many_bad_images"
    exit_code = 1

    def __init__(self, *, bad: int, images: int, limit: float) -> None:
        self.bad, self.images, self.limit = bad, images, limit
        super().__init__(
            f"{bad:,} of {images:,} images could not be answered ({bad / images:.1%}); --max-bad allows {limit:.1%}. "
            "What is written stays; look at the column `detail`, then run the same command to go on."
        )


class ShardUnfinishedError(BatchError):
    """A shard could not be finished.

    Args:
        shard: its number.
        attempts: how often it was tried.
        cause: what happened the last time.
    """

    code = "shard_unfinished"
    exit_code = 5

    def __init__(self, shard: int, *, attempts: int, cause: str) -> None:
        self.shard, self.attempts = shard, attempts
        super().__init__(
            f"Shard {shard} was tried {attempts} times and not finished: {cause}. What is written stays; run the same "
            "command to go on."
        )


class WorkerFailedError(BatchError):
    """What a worker raised, in a form that travels between processes.

    Args:
        text: the worker's sentence.
        exit_code: for the command.
    """

    code = "worker_failed"

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


def as_worker_failure(error: Exception) -> WorkerFailedError:
    """Gives any error of a worker in a form that travels."""
    if isinstance(error, GoldenMismatchError | InvalidAnswerError):
        return WorkerFailedError(f"This machine may not write: {error}", 4)
    if isinstance(error, ImgclsError):
        return WorkerFailedError(str(error), getattr(error, "exit_code", 2))
    return WorkerFailedError(f"a bug of ours, {describe_bug(error)}", 70)
