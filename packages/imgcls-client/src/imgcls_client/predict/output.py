"""The rows of `predict` in each form that can be asked for, and where they go. Counts what passed."""

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

import msgspec
from imgcls_cli.printable import csv_cell, echo, shown_on
from imgcls_cli.width import line_width, shorten
from imgcls_sdk.errors import ImageSourceError, RefusedError, SettingsError

from imgcls_client.predict.classification import ImageOutcome

Form = Literal["table", "json", "jsonl", "csv", "quiet"]
CSV_COLUMNS = ("file", "class_id", "label", "probability", "call_ms", "error")
_LABEL_WIDTH = 30
_FIGURES_WIDTH = len("1000") + len("100.00%") + len("10000.0 ms") + 3 * 2


def error_object(error: Exception | None) -> dict[str, object]:
    """Gives what went wrong with one image, without its name, as a JSON object."""
    if isinstance(error, RefusedError):
        fields = ("code", "detail", "status", "request_id")
        return {name: getattr(error, name) for name in fields}
    if isinstance(error, ImageSourceError):
        return {"code": error.code, "detail": error.reason}
    return {"code": getattr(error, "code", "client_error"), "detail": str(error)}


def _short_reason(outcome: ImageOutcome) -> str:
    fields = error_object(outcome.error)
    return f"{fields['code']}: {fields['detail']}"


def json_row(outcome: ImageOutcome) -> dict[str, object]:
    """Gives the outcome as a JSON object: the service's fields, or `error` with code and detail."""
    if outcome.prediction is None:
        return {"file": outcome.source, "error": error_object(outcome.error)}
    answer = msgspec.to_builtins(outcome.prediction)
    return {"file": outcome.source, **answer, "call_ms": round(outcome.prediction.call_ms, 3)}


def human_row(outcome: ImageOutcome, *, name_width: int, top_k: int) -> str:
    """Gives the outcome as text for reading: name, id, label, probability, time of the call.

    On a terminal names and labels are cut so that a row stays a line.

    Args:
        outcome: what became of the image.
        name_width: characters for the name; 0 leaves it out, as for a single image.
        top_k: how many classes to show, one line each.
    """
    label_width = _LABEL_WIDTH
    if (width := line_width()) is not None and name_width:
        label_width = min(_LABEL_WIDTH, max(12, (width - _FIGURES_WIDTH) * 2 // 5))
        name_width = min(name_width, max(12, width - _FIGURES_WIDTH - label_width - 2))
    name = f"{shorten(outcome.source, name_width, keeps_end=True):<{name_width}}  " if name_width else ""
    prediction = outcome.prediction
    if prediction is None:
        return f"{name or outcome.source + '  '}ERROR  {_short_reason(outcome)}"
    lines: list[str] = []
    for rank, score in enumerate(prediction.top[:top_k]):
        start = name if rank == 0 else " " * len(name)
        call = f"  {prediction.call_ms:7.1f} ms" if rank == 0 else ""
        label = shorten(score.label, label_width) if width is not None else score.label
        lines.append(f"{start}{score.class_id:>4}  {label:<{label_width}}  {score.probability:7.2%}{call}")
    return "\n".join(lines)


def csv_row(outcome: ImageOutcome) -> list[str]:
    """Gives the outcome as cells in the order of `CSV_COLUMNS`."""
    found = outcome.prediction
    if found is None:
        return [csv_cell(outcome.source), "", "", "", "", csv_cell(_short_reason(outcome))]
    cells = [str(found.class_id), csv_cell(found.label), repr(found.probability), f"{found.call_ms:.3f}", ""]
    return [csv_cell(outcome.source), *cells]


@dataclass
class RunCounters:
    """What passed through an output: the time of every answered call, and every model that answered, in order."""

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
        figures: dict[str, object] = {
            "answered": self.answered,
            "failed": self.failed,
            "elapsed_s": round(elapsed_s, 3),
        }
        if self.call_ms:
            figures["call_ms_median"] = round(statistics.median(self.call_ms), 3)
            figures["call_ms_max"] = round(max(self.call_ms), 3)
        return figures


class PredictionOutput:
    """Writes outcomes one by one; `json` alone waits for the end, because it is one document.

    Args:
        stream: where results go.
        form: how they look.
        name_width: characters for names in a table; 0 leaves them out.
        top_k: lines for each image in a table.
    """

    def __init__(self, stream: TextIO, form: Form, *, name_width: int, top_k: int) -> None:
        self._stream, self._form, self._name_width, self._top_k = stream, form, name_width, top_k
        self._rows: list[dict[str, object]] = []
        self.counters = RunCounters()

    def write(self, outcome: ImageOutcome) -> None:
        """Writes one outcome."""
        self.counters.count(outcome)
        if self._form == "json":
            self._rows.append(json_row(outcome))
        elif self._form == "jsonl":
            self._line(json.dumps(json_row(outcome), ensure_ascii=False))
        elif self._form == "csv":
            csv.writer(self._stream, lineterminator="\n").writerow(csv_row(outcome))
            self._stream.flush()
        elif self._form == "quiet" and outcome.prediction is not None:
            self._line(str(outcome.prediction.class_id))
        elif self._form == "quiet":
            echo(f"imgcls-client: {human_row(outcome, name_width=0, top_k=1)}", err=True)
        else:
            self._line(human_row(outcome, name_width=self._name_width, top_k=self._top_k))

    def _line(self, text: str) -> None:
        """Writes a line at once: whoever reads along, or kills the run, has all that was answered."""
        self._stream.write(shown_on(self._stream, text) + "\n")
        self._stream.flush()

    def finish(self, elapsed_s: float) -> None:
        """Writes what could not be written before the end."""
        if self._form == "json":
            document = {"results": self._rows, "summary": self.counters.summary(elapsed_s)}
            self._line(json.dumps(document, indent=2, ensure_ascii=False))


@contextmanager
def opened(path: Path | None, form: Form, *, resume: bool) -> Generator[TextIO]:
    """Opens the place for results: standard output, or a file that is not there yet or is gone on with.

    Raises:
        SettingsError: the file exists and is not to be gone on with, or cannot be written.
    """
    try:
        stream = sys.stdout if path is None else path.open("a" if resume else "x", encoding="utf-8", newline="")
    except FileExistsError as error:
        raise SettingsError(
            f"{path} exists. Remove it, name another --output, or go on with it by --resume."
        ) from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror or error}. Name another place.") from error
    try:
        if form == "csv":
            stream.write(",".join(CSV_COLUMNS) + "\n")
        yield stream
    finally:
        if path is not None:
            stream.close()
