"""A model store in a folder of this machine (or one that is mounted): files come in by a rename."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from imgcls_cli.files import replacing

from imgcls_train.errors import StoreError
from imgcls_train.store.files import OnBytes, Sink, as_store_errors, inside, pump, read_document

# A part that nobody has written to for so long belongs to a publisher that was killed.
_ABANDONED_S: Final = 3600
# Never waits for the other end of a pipe, never follows a link.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalFiles:
    """A store in a folder. Links, pipes and devices in it are refused: they could lead out of it or never end.

    Args:
        root: the folder; it may itself be a link, and need not be there yet.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def read(self, path: str) -> bytes | None:
        """Gives a small file; None when there is none."""
        with self._opened(path) as file:
            return None if file is None else read_document(file, self.url, path)

    def write(self, path: str, content: bytes) -> None:
        """Puts a small file in place, whole."""
        with self.arriving(path) as file:
            file.write(content)

    def swap(self, path: str, content: bytes, is_expected: Callable[[bytes | None], bool]) -> bool:
        """Puts a small file in place if what is there is as expected; publishers on one machine wait for each other."""
        target = self._at(path)
        lock = target.with_name(f".{target.name}.lock")
        with as_store_errors(self.url, (OSError,)):
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not is_expected(self.read(path)):
                    return False
                self.write(path, content)
            finally:
                os.close(descriptor)
        return True

    def upload(self, source: Path, path: str, on_bytes: OnBytes) -> None:
        """Puts a large file in place, whole."""
        with self.arriving(path) as file, source.open("rb") as given:
            pump(given, file, on_bytes)

    def copy_to(self, path: str, target: Sink, on_bytes: OnBytes) -> str | None:
        """Writes a file's content out and gives its SHA-256; None when there is none."""
        with self._opened(path) as file:
            return None if file is None else pump(file, target, on_bytes)

    def remove(self, path: str) -> None:
        """Takes a file away, and the folders that are empty without it."""
        target = self._at(path)
        with as_store_errors(self.url, (OSError,)):
            target.unlink(missing_ok=True)
            for folder in target.parents:
                if folder == self.root or any(folder.iterdir()):
                    return
                folder.rmdir()

    def folders(self, path: str) -> list[str]:
        """Gives the names of the folders in a folder, sorted; none when it is not there."""
        folder = self._at(path)
        with as_store_errors(self.url, (OSError,)):
            if not folder.is_dir():
                return []
            return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))

    def sweep(self, path: str) -> None:
        """Removes parts that nobody has written to for an hour."""
        with as_store_errors(self.url, (OSError,)):
            for part in self._at(path).rglob(".*.part"):
                # The clock that file times are from.
                if time.time() - part.lstat().st_mtime > _ABANDONED_S:  # noqa: TID251
                    part.unlink(missing_ok=True)

    @contextmanager
    def arriving(self, path: str) -> Generator[BinaryIO]:
        """Opens a file that takes its place when the block ends, and is gone when it fails.

        Raises:
            StoreError: it cannot be written.
        """
        target = self._at(path)
        with as_store_errors(self.url, (OSError,)):
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target, durable=True) as file:
                yield file

    @contextmanager
    def _opened(self, path: str) -> Generator[BinaryIO | None]:
        target = self._at(path)
        with as_store_errors(self.url, (OSError,)):
            try:
                descriptor = os.open(target, _READ)
            except (FileNotFoundError, NotADirectoryError):
                yield None
                return
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link, a socket
                    raise self._refusal(path) from error
                raise
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise self._refusal(path)
            with os.fdopen(descriptor, "rb") as file:
                yield file

    def _at(self, path: str) -> Path:
        """The one way from a path to a place on the disk."""
        place = self.root
        for part in inside(self.url, path):
            if place != self.root and place.is_symlink():
                raise self._refusal(place.relative_to(self.root).as_posix())
            place /= part
        return place

    def _refusal(self, path: str) -> StoreError:
        return StoreError(
            f"{self.url}/{path} is a link, a pipe or another thing that is no plain file; a model store has none. "
            "Replace it by what it stands for, or publish the version again."
        )
