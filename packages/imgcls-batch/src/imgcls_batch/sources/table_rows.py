"""Encoded images in the rows of Parquet files: one row group at a time stays in memory."""

from __future__ import annotations

import threading
from bisect import bisect_right
from itertools import accumulate
from typing import Any

import pyarrow as pa

from imgcls_batch.errors import SourceError
from imgcls_batch.sources.faults import ImageFetchError, ImageNotFoundError
from imgcls_batch.sources.tables import bytes_path, image_column, open_table


class TableRows:
    """Reads rows, best in their order; may be used from several threads.

    Args:
        column: that holds the images; None finds it.
    """

    def __init__(self, column: str | None) -> None:
        self._column = column
        self._lock = threading.Lock()
        self._place = ""
        self._starts: list[int] = []
        self._group: tuple[int, Any] = (-1, None)

    def read(self, place: str, row: int) -> bytes:
        """Gives the bytes of one row.

        Raises:
            UnreadableImageError: the file cannot be read, or the row holds nothing.
        """
        with self._lock:
            try:
                content = self._value(place, row)
            except SourceError as error:
                raise ImageFetchError(str(error).rstrip(".")) from error
        if content is None:
            raise ImageNotFoundError
        return content

    def _value(self, place: str, row: int) -> bytes | None:
        group = bisect_right(self._starts, row) - 1 if place == self._place else -1
        if group < 0 or group != self._group[0]:
            self._load(place, row)
            group = self._group[0]
        value: bytes | None = self._group[1][row - self._starts[group]].as_py()
        return value

    def _load(self, place: str, row: int) -> None:
        with open_table(place) as file:
            counts = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
            starts = [0, *accumulate(counts)][:-1]
            group = bisect_right(starts, row) - 1
            name = image_column(file.schema_arrow, self._column, place)
            path = bytes_path(file.schema_arrow.field(name)) or name
            values = file.read_row_group(group, columns=[path]).column(0).combine_chunks()
        if pa.types.is_struct(values.type):
            values = values.field("bytes")
        self._place, self._starts, self._group = place, starts, (group, values)
