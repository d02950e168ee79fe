"""Files below a folder, a bucket or a pattern, streamed: memory grows with neither."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from fsspec.utils import glob_translate

from imgcls_batch.errors import SourceError
from imgcls_batch.sources.places import file_system, local_path, normal_place, protocol_of, reason_of, remote_errors

_MAGIC: Final = re.compile(r"[*?\[]")
# Names of one folder that are sorted at a time.
_SORTED_AT_ONCE: Final = 100_000


@dataclass(frozen=True)
class FoundFile:
    """A file or object, and its size where the listing tells it."""

    place: str
    size_bytes: int | None


def is_pattern(source: str) -> bool:
    """Whether a source is a glob: `*`, `?` or `[` in it, and no such file."""
    if protocol_of(source) in {"http", "https"}:
        return False  # `?` begins a query there
    return bool(_MAGIC.search(source)) and not (protocol_of(source) == "file" and local_path(source).exists())


def matching_files(pattern: str) -> Iterator[FoundFile]:
    """Gives the files that a glob matches (`*`, `?`, `[…]`, `**` over folders), in the order of the listing."""
    if protocol_of(pattern) == "file":
        pattern = normal_place(pattern)
    root = pattern[: (_MAGIC.search(pattern) or re.compile("$").search(pattern)).start()].rpartition("/")[0] or "/"  # type: ignore[union-attr]
    accepts = re.compile(glob_translate(pattern)).match
    return (file for file in walk(root) if accepts(file.place))


def walk(root: str) -> Iterator[FoundFile]:
    """Gives every file below a folder or prefix.

    Raises:
        SourceError: it is not there or cannot be listed.
    """
    protocol = protocol_of(root)
    if protocol == "file":
        folder = Path(normal_place(root))
        if not folder.is_dir():
            raise SourceError(f"There is no folder {str(folder)!r}; name a folder, a glob, a tar file or a list.")
        yield from _walk_folder(folder)
        return
    if protocol in {"http", "https"}:
        raise SourceError(
            f"{root!r}: a web server has no listing; give a list of URLs as a .txt, .csv or .parquet file."
        )
    listing: Callable[[Any, str], Iterable[FoundFile]] = _walk_s3 if protocol == "s3" else _walk_folders
    try:
        yield from listing(file_system(protocol), root)
    except remote_errors(protocol) as error:
        raise SourceError(f"{root!r} cannot be listed: {reason_of(error)}. Run the same command again.") from error


def _walk_folder(folder: Path) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as found:
            while chunk := sorted(islice(found, _SORTED_AT_ONCE), key=lambda entry: entry.name):
                for entry in chunk:
                    if entry.is_dir(follow_symlinks=False):
                        yield from _walk_folder(Path(entry.path))
                    elif entry.is_file():
                        yield FoundFile(entry.path, entry.stat().st_size)
    except OSError as error:
        raise SourceError(f"{str(folder)!r} cannot be listed: {reason_of(error)}.") from error


def _walk_s3(filesystem: Any, root: str) -> Iterator[FoundFile]:  # noqa: ANN401 - fsspec is untyped
    """Page by page in the order of the keys: fsspec's own listing keeps a whole prefix in memory."""
    bucket, _, prefix = root.removeprefix("s3://").partition("/")
    more: dict[str, str] = {}
    while True:
        page = filesystem.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/" if prefix else "", **more
        )
        for found in page.get("Contents", ()):
            if not found["Key"].endswith("/"):
                yield FoundFile(f"s3://{bucket}/{found['Key']}", found["Size"])
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _walk_folders(filesystem: Any, root: str) -> Iterator[FoundFile]:  # noqa: ANN401 - fsspec is untyped
    for _, _, files in filesystem.walk(filesystem._strip_protocol(root), detail=True):
        for found in sorted(files.values(), key=lambda one: one["name"]):
            yield FoundFile(filesystem.unstrip_protocol(found["name"]), found.get("size"))
