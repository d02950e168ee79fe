"""Files that are replaced whole: after a crash there is the old one or the new one, and no part of either."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import click


class FileWriteError(OSError):
    """A file cannot be written; an earlier one is as it was.

    Args:
        path: the file.
        cause: what the system said.
    """

    def __init__(self, path: Path, cause: OSError) -> None:
        super().__init__(cause.errno, cause.strerror or str(cause), str(path))

    def __str__(self) -> str:
        return f"{str(self.filename)!r} cannot be written: {self.strerror}. Name another place."


class OutputFile(click.Path):
    """The type of an option that names a file to write: one that never can be is refused before the work begins."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.name = "file"

    def convert(
        self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Gives the path; what stands there now, if anything, is replaced."""
        folder = Path(value).absolute().parent
        if Path(value).is_dir():
            self.fail(f"{os.fspath(value)!r} is a folder; name a file in it.", param, ctx)
        if not folder.is_dir():
            self.fail(f"there is no folder {str(folder)!r}; make it, or name another place.", param, ctx)
        if not os.access(folder, os.W_OK):
            self.fail(f"nothing can be written into the folder {str(folder)!r}; name another place.", param, ctx)
        return super().convert(value, param, ctx)


OUTPUT_FILE = OutputFile()


@contextmanager
def replacing(path: Path, *, durable: bool = False, sole_writer: bool = False) -> Generator[BinaryIO]:
    """Gives a file to write, which takes its place when the block ends and is gone when the block fails.

    Args:
        path: the file to replace; its folder is there.
        durable: whether the bytes are on the disk before the old file goes, so that a power cut costs neither.
        sole_writer: whether nobody else writes this file at the same time. What a kill leaves behind is then
            overwritten by the next writing; else every writing has a part of its own.

    Raises:
        FileWriteError: it cannot be written there.
    """
    mark = "" if sole_writer else f".{os.urandom(6).hex()}"
    part = path.with_name(f".{path.name}{mark}.part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise FileWriteError(path, error) from error
    try:
        with file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        # An error of another file, which the block reads, keeps its own words.
        if error.filename is not None and Path(os.fsdecode(error.filename)) != part:
            raise
        raise FileWriteError(path, error) from error
    finally:
        with suppress(OSError):  # of a disk that does nothing any more; what happened first is what is told
            part.unlink(missing_ok=True)


def replace_file(path: Path, content: bytes | str, *, durable: bool = False) -> None:
    """Writes a file whole; text as UTF-8.

    Args:
        path: the file to replace; its folder is there.
        content: the whole of it.
        durable: see `replacing`.

    Raises:
        FileWriteError: it cannot be written there.
    """
    with replacing(path, durable=durable) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def move_into_place(files: Mapping[Path, Path]) -> None:
    """Moves finished files (from → to) with one rename each, in that order, on the same disk; their bytes are safe."""
    for source, target in files.items():
        with source.open("rb+") as file:
            os.fsync(file.fileno())
        source.replace(target)
