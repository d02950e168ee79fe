"""Where the rows of `predict` go, in the form that was asked for. Counts what passed."""

from __future__ import annotations

import csv
import json
import statistics
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from imgcls_cli.printable import echo, printable

from imgcls_client.errors import SettingsError
from imgcls_client.predict.classification import ImageOutcome
from imgcls_client.predict.rows import CSV_COLUMNS, csv_row, human_row, json_row

Form = Literal["table", "json", "jsonl", "csv", "quiet"]


@dataclass
class RunCounters:
    """What passed through an output.

    Attributes:
        call_ms: the time of every answered call.
        model_sha256: every model that answered, in order of appearance.
    """

    answered: int = 0
    failed: int = 0
    call_ms: list[float] = field(default_factory=list[float])
    model_sha256: list[str] = field(default_factory=list[str])

    def count(self, outcome: ImageOutcome) -> None:
        """Counts one outcome."""
        if outcome.prediction is None:
            self.failed += 1
            return
        self.answered += 1
        self.call_ms.append(outcome.prediction.call_ms)
        if outcome.prediction.model.sha256 not in self.model_sha256:
            self.model_sha256.append(outcome.prediction.model.sha256)

    def summary(self, elapsed_s: float) -> dict[str, object]:
        """Gives the figures of the run; times of calls in milliseconds."""
        document: dict[str, object] = {
            "answered": self.answered,
            "failed": self.failed,
            "elapsed_s": round(elapsed_s, 3),
        }
        if self.call_ms:
            document["call_ms_median"] = round(statistics.median(self.call_ms), 3)
            document["call_ms_max"] = round(max(self.call_ms), 3)
        return document


class PredictionOutput:
    """Writes outcomes one by one; `json` alone waits for the end, because it is one document.

    Args:
        stream: where results go.
        form: how they look.
        name_width: characters for names in a table; 0 leaves them out.
        top_k: lines for each image in a table.
    """

    def __init__(self, stream: TextIO, form: Form, *, name_width: int, top_k: int) -> None:
        self.stream, self.form, self.name_width, self.top_k = stream, form, name_width, top_k
        self.rows: list[dict[str, object]] = []
        self.counters = RunCounters()

    def write(self, outcome: ImageOutcome) -> None:
        """Writes one outcome."""
        self.counters.count(outcome)
        if self.form == "json":
            self.rows.append(json_row(outcome))
        elif self.form == "jsonl":
            self.line(json.dumps(json_row(outcome), ensure_ascii=False))
        elif self.form == "csv":
            csv.writer(self.stream, lineterminator="\n").writerow(csv_row(outcome))
            self.stream.flush()
        elif self.form == "quiet" and outcome.prediction is not None:
            self.line(str(outcome.prediction.class_id))
        elif self.form == "quiet":
            echo(f"imgcls-client: {human_row(outcome, name_width=0, top_k=1)}", err=True)
        else:
            self.line(human_row(outcome, name_width=self.name_width, top_k=self.top_k))

    def line(self, text: str) -> None:
        """Writes a line at once: whoever reads along, or kills the run, has all that was answered."""
        self.stream.write(printable(text) + "\n")
        self.stream.flush()

    def finish(self, elapsed_s: float) -> None:
        """Writes what could not be written before the end."""
        if self.form == "json":
            document = {"results": self.rows, "summary": self.counters.summary(elapsed_s)}
            self.line(json.dumps(document, indent=2, ensure_ascii=False))


@contextmanager
def opened(path: Path | None, form: Form, *, resume: bool) -> Generator[TextIO]:
    """Opens the place for results: standard output, or a file that is not there yet or is gone on with.

    Raises:
        SettingsError: the file exists and is not to be gone on with, or cannot be written.
    """
    if path is None:
        if form == "csv":
            sys.stdout.write(",".join(CSV_COLUMNS) + "\n")
        yield sys.stdout
        return
    try:
        stream = path.open("a" if resume else "x", encoding="utf-8", newline="")
    except FileExistsError as error:
        raise SettingsError(
            f"{path} exists. Remove it, name another --output, or go on with it by --resume."
        ) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}.") from error
    with stream:
        if form == "csv":
            stream.write(",".join(CSV_COLUMNS) + "\n")
        yield stream
