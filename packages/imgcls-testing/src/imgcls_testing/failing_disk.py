"""A folder whose disk is full, breaks, or loses its writer, at the first operation, the second, and so on."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import pytest

T = TypeVar("T")

# What a full disk refuses, and what only a broken one does.
_GROWING: Final = ("fsync", "mkdir", "link", "symlink", "sendfile", "truncate", "ftruncate", "copy_file_range")
_OTHER: Final = ("replace", "rename", "unlink", "remove", "rmdir")
_READING: Final = ("stat", "lstat", "scandir", "listdir")
_MOST_OPERATIONS: Final = 500


class Killed(BaseException):
    """The process is gone: nothing that would clean up gets anything done."""


class Failure(Enum):
    """How a disk fails, from its n-th operation on."""

    FULL = "full"
    BROKEN = "broken"
    KILLED = "killed"

    def __call__(self, path: object) -> BaseException:
        """Gives what the operation raises."""
        if self is Failure.KILLED:
            return Killed()
        number = errno.ENOSPC if self is Failure.FULL else errno.EIO
        named = [str(path)] if isinstance(path, (str, Path)) else []
        return OSError(number, os.strerror(number), *named)


class FailingDisk:
    """Counts the operations on a folder and fails from one on.

    Args:
        folder: nothing outside of it fails.
        at: the first operation that fails; they are counted from 1.
        failure: gives what an operation on a path raises.
        reads: whether reading is an operation too.

    Attributes:
        count: operations so far.
    """

    def __init__(
        self, folder: Path, at: int, failure: Callable[[object], BaseException], *, reads: bool = False
    ) -> None:
        self.reads = reads
        self._folder = str(folder)
        self._at = at
        self._failure = failure
        self.count = 0

    @property
    def has_failed(self) -> bool:
        """Whether an operation has failed."""
        return self.count >= self._at

    def holds(self, path: str | os.PathLike[str]) -> bool:
        """Whether a path lies in the folder."""
        return os.fspath(path).startswith(self._folder)

    def operate(self, path: object) -> None:
        """Counts an operation on a path, and raises if it fails."""
        if isinstance(path, int):
            with suppress(OSError):  # where the system does not tell
                path = Path(f"/proc/self/fd/{path}").readlink()
        if isinstance(path, (str, Path)) and not self.holds(path):
            return
        self.count += 1
        if self.has_failed:
            raise self._failure(path)

    def wrap(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """Gives an operation that fails when its turn has come."""

        def guarded(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the operation takes
            # Within an open folder a name stands for itself.
            self.operate(None if options.get("dir_fd") is not None else args[0] if args else None)
            return operation(*args, **options)

        return guarded


class _FailingFile(io.FileIO):
    """A file of which each write is an operation, and each read where reads are."""

    disk: FailingDisk

    def write(self, content: Any, /) -> int:  # noqa: ANN401 - any buffer
        self.disk.operate(self.name)
        return super().write(content)

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - any buffer
        if self.disk.reads:
            self.disk.operate(self.name)
        return super().readinto(buffer)

    def readall(self) -> bytes:
        if self.disk.reads:
            self.disk.operate(self.name)
        return super().readall()


@contextmanager
def failing_disk(folder: Path, failure: Failure, at: int, *, reads: bool = False) -> Generator[FailingDisk]:
    """Lets the n-th operation of this process on a folder fail, and each after it.

    Operations are those of Python: opening a file to write, each write that leaves its buffer, `os.fsync`,
    `os.replace` and their like; with `reads` also opening to read and looking at files and folders.
    """
    disk = FailingDisk(folder, at, failure, reads=reads)
    real_open, real_os_open = io.open, os.open

    def open_file(
        file: Any,  # noqa: ANN401
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Callable[[str, int], int] | None = None,
    ) -> Any:  # noqa: ANN401
        is_writing = bool(set(mode) & set("wax+"))
        if isinstance(file, int) or not disk.holds(file) or not (is_writing or reads):
            return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        disk.operate(file)
        raw = _FailingFile(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        raw.disk = disk
        if buffering == 0:
            return raw
        buffered = (
            io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw) if is_writing else io.BufferedReader(raw)
        )
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def open_descriptor(path: Any, flags: int, *args: Any, **options: Any) -> int:  # noqa: ANN401
        if reads or flags & (os.O_CREAT | os.O_TRUNC):
            disk.operate(path)
        return real_os_open(path, flags, *args, **options)

    names = _GROWING + (() if failure is Failure.FULL else _OTHER) + (_READING if reads else ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(io, "open", open_file)
        patch.setattr(builtins, "open", open_file)
        patch.setattr(os, "open", open_descriptor)
        for name in names:
            if hasattr(os, name):
                patch.setattr(os, name, disk.wrap(getattr(os, name)))
        yield disk


@dataclass(frozen=True)
class Attempt(Generic[T]):
    """What came of one attempt: `result` is None where the process was killed at operation `at`."""

    at: int
    result: T | None
    has_failed: bool


def attempts(
    failing: Callable[[int], AbstractContextManager[FailingDisk]], attempt: Callable[[], T]
) -> Generator[Attempt[T]]:
    """Tries something again and again, with a disk that fails at operation 1, 2, 3 …; the last attempt meets no fault.

    Whoever iterates sets things up anew before the next one.

    Args:
        failing: gives a disk that fails from an operation on, such as `partial(failing_disk, folder, failure)`.
        attempt: what is tried.
    """
    for at in range(1, _MOST_OPERATIONS):
        result: T | None = None
        with failing(at) as disk, suppress(Killed):
            result = attempt()
        yield Attempt(at, result, disk.has_failed)
        if not disk.has_failed:
            return
    raise AssertionError(f"it never ended within {_MOST_OPERATIONS} operations")
