"""JSON lines on stdout: one for each request and each event of the process."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

FIELDS: Final = "imgcls_fields"
# `json.dumps` with options makes a new encoder on each call.
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, default=str, separators=(",", ":")).encode


class JsonLine(logging.Formatter):
    """One record as one line of JSON; members given as `extra={FIELDS: {...}}` come beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        """Gives the line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, FIELDS, {}))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return _ENCODE(line)


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
