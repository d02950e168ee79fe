"""Lists of URIs: one on a line, or a column of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from imgcls_contract.bounds import LISTING, Bounds, BoundsError, Meter

from imgcls_batch.errors import SourceError
from imgcls_batch.sources.entry import Entry
from imgcls_batch.sources.places import file_system, local_path, normal_place, protocol_of, reason_of, remote_errors

LIST_SUFFIXES: Final = frozenset({".txt", ".lst", ".csv", ".tsv"})
_LONGEST_LINE: Final = 1 << 20
URI_COLUMNS: Final = ("uri", "url", "path", "file", "image_url", "image")


def listed_entries(place: str, *, column: str | None) -> Iterator[Entry]:
    """Gives the images that a list names; relative paths count from the list's folder.

    Raises:
        SourceError: it cannot be read, or has no such column.
    """
    protocol = protocol_of(place)
    expected = (OSError,) if protocol == "file" else remote_errors(protocol)
    try:
        with _open(place, protocol) as lines:
            for uri in _uris(lines, place, column):
                if uri:
                    yield Entry(absolute(uri, place))
    except SourceError:
        raise
    except BoundsError as error:
        raise SourceError(f"The list {place!r} cannot be read: it {error}.") from error
    except (*expected, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"The list {place!r} cannot be read: {reason_of(error)}.") from error


def absolute(uri: str, place: str) -> str:
    """Gives a URI of a list as an absolute path or URL."""
    if "://" in uri or uri.startswith("/"):
        return uri
    if protocol_of(place) == "file":
        return normal_place(str(local_path(place).parent / uri))
    return f"{place.rpartition('/')[0]}/{uri}"


def _open(place: str, protocol: str) -> TextIO:
    if protocol == "file":
        return local_path(place).open(encoding="utf-8-sig", newline="")
    return io.TextIOWrapper(file_system(protocol).open(place, "rb"), encoding="utf-8-sig", newline="")


def _uris(lines: TextIO, place: str, column: str | None) -> Iterable[str]:
    if not place.endswith((".csv", ".tsv")):
        return (line.strip() for line in _lines(lines, place))
    table = csv.DictReader(_lines(lines, place), delimiter="\t" if place.endswith(".tsv") else ",")
    name = chosen_column(table.fieldnames or (), column, place)
    return ((row[name] or "").strip() for row in table)


def _lines(lines: TextIO, place: str) -> Iterator[str]:
    meter = Meter(LISTING if protocol_of(place) in {"http", "https"} else Bounds(float("inf")))
    while line := lines.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise SourceError(f"The list {place!r} has a line of more than {_LONGEST_LINE:,} characters; it is none.")
        meter.take(len(line))
        yield line


def chosen_column(found: Iterable[str], column: str | None, place: str) -> str:
    """Chooses the column that holds the images' addresses.

    Raises:
        SourceError: there is none of that name, or none of the usual names.
    """
    names = list(found)
    for name in [column] if column is not None else URI_COLUMNS:
        if name in names:
            return name
    what = f"no column {column!r}" if column is not None else f"no column called {', '.join(URI_COLUMNS)}"
    raise SourceError(f"{place!r} has {what}; it has {', '.join(names) or 'none'}. Name one with --column.")
