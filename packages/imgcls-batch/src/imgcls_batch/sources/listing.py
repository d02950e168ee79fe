"""SOURCE → its images, streamed in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imgcls_batch.errors import SourceError
from imgcls_batch.sources.entry import IMAGE_SUFFIXES, PARQUET_SUFFIX, TAR_SUFFIX, Entry, suffix
from imgcls_batch.sources.places import local_path, normal_place, protocol_of
from imgcls_batch.sources.tables import parquet_entries
from imgcls_batch.sources.tar import tar_entries
from imgcls_batch.sources.uri_list import LIST_SUFFIXES, listed_entries
from imgcls_batch.sources.walk import FoundFile, is_pattern, matching_files, walk


def list_entries(source: str, *, column: str | None = None) -> Iterator[Entry]:
    """Gives the images of a source.

    Args:
        source: a folder or bucket (walked: images by suffix, the members of tar files, the rows of Parquet files), a
            glob (every file that matches), one tar file, one image, or a list of URIs as .txt, .csv or .parquet.
        column: of a CSV or Parquet file; None finds the one that holds images or their addresses.

    Raises:
        SourceError: it is not there, cannot be listed, or is not understood.
    """
    if is_pattern(source):
        return _expanded(matching_files(source), column, every_file=True)
    if suffix(source) in LIST_SUFFIXES:
        return listed_entries(source, column=column)
    if suffix(source) in {TAR_SUFFIX, PARQUET_SUFFIX, *IMAGE_SUFFIXES} and not _is_folder(source):
        return _expanded([FoundFile(normal_place(source), None)], column, every_file=False)
    return _expanded(walk(source), column, every_file=False)


def _is_folder(source: str) -> bool:
    return protocol_of(source) == "file" and local_path(source).is_dir()


def _expanded(files: Iterable[FoundFile], column: str | None, *, every_file: bool) -> Iterator[Entry]:
    for file in files:
        kind = suffix(file.place)
        if kind == TAR_SUFFIX:
            yield from tar_entries(file.place)
        elif kind == PARQUET_SUFFIX:
            yield from parquet_entries(file.place, column=column)
        elif kind in IMAGE_SUFFIXES or every_file:
            yield Entry(file.place, size_bytes=file.size_bytes)


def check_source(source: str) -> None:
    """Raises if a local source is not there, before anything is written.

    Raises:
        SourceError: there is nothing.
    """
    if protocol_of(source) == "file" and not is_pattern(source) and not local_path(source).exists():
        raise SourceError(
            f"There is nothing at {source!r}; SOURCE is a folder, a glob, a tar file, a list (.txt, .csv, .parquet) or "
            "a URL of one (s3://, gs://, az://, https://)."
        )
