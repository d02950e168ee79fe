"""Finished rows as a table that DuckDB reads where it lies, larger than memory or not."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import duckdb

from imgcls_batch.errors import NoRunError, OutputUnreachableError
from imgcls_batch.output.objects import OutputObjects, open_output
from imgcls_batch.output.run_document import RunDocument, read_run
from imgcls_batch.sources.places import file_system, protocol_of, reason_of

Row = tuple[Any, ...]


class AnswerTables:
    """Rows of one or several OUTPUTs; each is a view of the name that it was opened under.

    Args:
        outputs: name of the view → URL of the OUTPUT.

    Raises:
        NoRunError: there is none, or it has no rows yet.
    """

    def __init__(self, **outputs: str) -> None:
        self._connection = duckdb.connect()
        self.outputs: dict[str, OutputObjects] = {}
        self.runs: dict[str, RunDocument] = {}
        for view, url in outputs.items():
            output = self.outputs[view] = open_output(url)
            run = read_run(output)
            if run is None or not run.finished_shards(output):
                raise NoRunError(f"{url!r} holds no rows; `imgcls-batch run SOURCE {url} --model FILE` writes them.")
            self.runs[view] = run
            if (protocol := protocol_of(output.url)) != "file":
                self._connection.register_filesystem(file_system(protocol))
            pattern = f"{output.url}/shard-*-{run.artifact.sha256[:16]}.parquet".replace("'", "''")
            with _reading(output.url):
                self._connection.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet('{pattern}')")  # noqa: S608

    def query(self, sql: str, *parameters: object) -> list[Row]:
        """Gives the rows of a query over the views.

        Raises:
            OutputUnreachableError: a file cannot be read.
        """
        with _reading(", ".join(output.url for output in self.outputs.values())):
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, *parameters: object) -> Row:
        """Gives the one row of a query."""
        return self.query(sql, *parameters)[0]


@contextmanager
def _reading(url: str) -> Generator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise OutputUnreachableError(f"The rows in {url!r} cannot be read: {reason_of(error)}.") from error
