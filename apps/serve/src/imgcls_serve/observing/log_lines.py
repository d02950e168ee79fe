"""JSON lines on stdout: one for each request and each event of the process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

FIELDS: Final = "imgcls_fields"
_ENCODE: Final = msgspec.json.Encoder(enc_hook=str).encode


class JsonLine(logging.Formatter):
    """One record as one line of JSON; members given as `extra={FIELDS: {...}}` come beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Gives the line."""
        at = datetime.fromtimestamp(record.created, UTC)
        line = _head(at, record.levelname.lower(), record.name, record.getMessage())
        line.update(getattr(record, FIELDS, {}))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _ENCODE(line).decode()


def write_line(logger: logging.Logger, message: str, fields: Mapping[str, Any]) -> None:
    """Writes one line of level "info" past `logging`, whose records and handlers cost three times the rest of it.

    Args:
        logger: decides whether such lines are wanted, and is named in the line.
        message: what happened.
        fields: come beside the message.
    """
    if logger.isEnabledFor(logging.INFO):
        out = sys.stdout.buffer
        out.write(_ENCODE({**_head(datetime.now(UTC), "info", logger.name, message), **fields}) + b"\n")
        out.flush()


def _head(at: datetime, level: str, logger: str, message: str) -> dict[str, Any]:
    return {"time": at.isoformat(timespec="milliseconds"), "level": level, "logger": logger, "message": message}


def log_config(level: str) -> dict[str, Any]:
    """Gives the configuration of `logging` for this process, uvicorn's loggers included."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonLine}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["stdout"]},
        "loggers": {
            "imgcls_serve": {"level": level.upper()},
            # It tells of its start and end, as the service itself does.
            "uvicorn": {"level": "DEBUG" if level == "debug" else "WARNING"},
        },
    }
