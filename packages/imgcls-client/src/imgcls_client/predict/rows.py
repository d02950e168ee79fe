"""One image's outcome in each of the forms that `predict` prints."""

from __future__ import annotations

import msgspec

from imgcls_client.errors import ImageSourceError, RefusedError
from imgcls_client.predict.classification import ImageOutcome

CSV_COLUMNS = ("file", "class_id", "label", "probability", "call_ms", "error")


def json_row(outcome: ImageOutcome) -> dict[str, object]:
    """Gives the outcome as a JSON object: the service's fields, or `error` with code and detail."""
    prediction, error = outcome.prediction, outcome.error
    if prediction is None:
        return {"file": outcome.source, "error": _error_object(error)}
    return {
        "file": outcome.source,
        "class_id": prediction.class_id,
        "label": prediction.label,
        "probability": prediction.probability,
        "top": msgspec.to_builtins(prediction.top),
        "model": msgspec.to_builtins(prediction.model),
        "call_ms": round(prediction.call_ms, 3),
        "timing_ms": msgspec.to_builtins(prediction.timing_ms),
        "batch_size": prediction.batch_size,
        "request_id": prediction.request_id,
    }


def _error_object(error: Exception | None) -> dict[str, object]:
    if isinstance(error, RefusedError):
        return {
            "code": error.code,
            "detail": error.detail,
            "status": error.status,
            "request_id": error.request_id,
        }
    if isinstance(error, ImageSourceError):
        return {"code": error.code, "detail": error.reason}
    return {"code": getattr(error, "code", "client_error"), "detail": str(error)}


def _short_reason(error: Exception | None) -> str:
    """Says what went wrong with one image, without repeating its name."""
    fields = _error_object(error)
    return f"{fields['code']}: {fields['detail']}"


def human_row(outcome: ImageOutcome, *, name_width: int, top_k: int) -> str:
    """Gives the outcome as text for reading: name, id, label, probability, time of the call.

    Args:
        outcome: what became of the image.
        name_width: characters for the name; 0 leaves it out, as for a single image.
        top_k: how many classes to show, one line each.
    """
    name = f"{outcome.source:<{name_width}}  " if name_width else ""
    prediction = outcome.prediction
    if prediction is None:
        return f"{name or outcome.source + '  '}ERROR  {_short_reason(outcome.error)}"
    lines: list[str] = []
    for rank, score in enumerate(prediction.top[:top_k]):
        start = name if rank == 0 else " " * len(name)
        call = f"  {prediction.call_ms:7.1f} ms" if rank == 0 else ""
        lines.append(f"{start}{score.class_id:>4}  {score.label:<30}  {score.probability:7.2%}{call}")
    return "\n".join(lines)


def _harmless(cell: str) -> str:
    """Keeps a spreadsheet from taking a cell for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and cell != "-" else cell


def csv_row(outcome: ImageOutcome) -> list[str]:
    """Gives the outcome as cells in the order of `CSV_COLUMNS`."""
    prediction = outcome.prediction
    if prediction is None:
        return [_harmless(outcome.source), "", "", "", "", _harmless(_short_reason(outcome.error))]
    return [
        _harmless(outcome.source),
        str(prediction.class_id),
        _harmless(prediction.label),
        repr(prediction.probability),
        f"{prediction.call_ms:.3f}",
        "",
    ]
