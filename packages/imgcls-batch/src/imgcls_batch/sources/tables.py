"""Parquet files as sources: a column of encoded bytes, or of URIs."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from imgcls_batch.errors import SourceError
from imgcls_batch.sources.entry import Entry
from imgcls_batch.sources.places import file_system, local_path, protocol_of, reason_of, remote_errors
from imgcls_batch.sources.uri_list import absolute, chosen_column

_ROWS_AT_ONCE: Final = 10_000


def parquet_entries(place: str, *, column: str | None) -> Iterator[Entry]:
    """Gives the images of a Parquet file: its rows where the column holds bytes, what it names where it holds text.

    Raises:
        SourceError: it cannot be read, or has no such column.
    """
    with open_table(place) as file:
        schema = file.schema_arrow
        name = image_column(schema, column, place)
        if bytes_path(schema.field(name)) is not None:
            for row in range(file.metadata.num_rows):
                yield Entry(f"{place}#{row}", place, row)
            return
        for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=[name]):
            yield from (Entry(absolute(uri, place)) for uri in batch.column(0).to_pylist() if uri)


def image_column(schema: pa.Schema, column: str | None, place: str) -> str:
    """Chooses the column: the one that is named, else the only one of bytes, else one of the usual names.

    Raises:
        SourceError: there is none.
    """
    of_bytes = [field.name for field in schema if bytes_path(field) is not None]
    if column is None and len(of_bytes) == 1:
        return of_bytes[0]
    return chosen_column(schema.names, column, place)


def bytes_path(field: pa.Field) -> str | None:
    """Gives the path of the bytes in a column, `name` or (as Hugging Face writes them) `name.bytes`; None for text."""
    kind = field.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return str(field.name)
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        return f"{field.name}.bytes"
    return None


@contextmanager
def open_table(place: str) -> Generator[pq.ParquetFile]:
    """Opens a Parquet file anywhere.

    Raises:
        SourceError: it cannot be read.
    """
    protocol = protocol_of(place)
    expected = (OSError,) if protocol == "file" else remote_errors(protocol)
    try:
        with _open(place, protocol) as raw, pq.ParquetFile(raw) as file:
            yield file
    except (*expected, pa.ArrowException) as error:
        raise SourceError(f"{place!r} cannot be read as a Parquet file: {reason_of(error)}.") from error


def _open(place: str, protocol: str) -> Any:  # noqa: ANN401 - fsspec is untyped
    return local_path(place).open("rb") if protocol == "file" else file_system(protocol).open(place, "rb")
