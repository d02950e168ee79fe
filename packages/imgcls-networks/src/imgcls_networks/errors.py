"""What can go wrong on the way to a network, as one tree; each error carries the exit code of the command.

ImgclsError
└── NetworkError              5  the network cannot be used
    ├── RequestError          2  what was asked for cannot be done as asked
    ├── DownloadError         3  no source of the weights could be reached
    └── CheckpointError       5  the checkpoint does not fit the network, or is not safe to load
"""

from collections.abc import Sequence
from typing import ClassVar

from imgcls_core.errors import ImgclsError


class NetworkError(ImgclsError):
    """The network cannot be used; base of the errors of this package."""

    code = "network"
    exit_code: ClassVar[int] = 5


class RequestError(NetworkError):
    """What was asked for cannot be done as asked: an unknown model, a wrong file, values that contradict."""

    code = "request"
    exit_code = 2


class DownloadError(NetworkError):
    """None of the sources gave the file.

    Args:
        what: the file, as a user calls it.
        attempts: one clause per source: where, and what happened.
        hint: a sentence to begin what can be done with; None has nothing to add.
        instead: what can be done, where that is not to give a checkpoint or to name another model.
    """

    code = "download"
    exit_code = 3

    def __init__(
        self, what: str, attempts: Sequence[str], hint: str | None = None, *, instead: str | None = None
    ) -> None:
        self.what, self.attempts = what, tuple(attempts)
        tried = "; ".join(self.attempts)
        advice = instead or (
            "Either pass a checkpoint that you have with `--weights FILE`, or name another MODEL "
            "(`imgcls-convert --list`; everyday100 comes with the package)."
        )
        super().__init__(
            f"The weights of {what} cannot be downloaded. Tried {tried}. {f'{hint} ' if hint else ''}{advice}"
        )


class CheckpointError(NetworkError):
    """The checkpoint cannot be loaded into the network."""

    code = "checkpoint"
