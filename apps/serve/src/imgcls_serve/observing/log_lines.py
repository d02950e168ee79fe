"""Lines on stdout, one for each request and each event of the process: JSON, or short ones for people."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

FIELDS: Final = "imgcls_fields"
_DIM, _RED, _GREEN, _YELLOW, _PLAIN = (f"\033[{number}m" for number in (2, 31, 32, 33, 0))
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


class TerminalLine(logging.Formatter):
    """One record as one short line with colours: time, level where it matters, what happened."""

    def format(self, record: logging.LogRecord) -> str:
        """Gives the line."""
        at = datetime.fromtimestamp(record.created).astimezone()
        colour = _RED if record.levelno >= logging.ERROR else _YELLOW if record.levelno >= logging.WARNING else ""
        text = f"{_DIM}{at:%H:%M:%S}{_PLAIN} {colour}{_visible(record.getMessage())}{_PLAIN if colour else ''}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def write_for_people(logger: logging.Logger, message: str, fields: Mapping[str, Any]) -> None:
    """Writes a request as one short line; arguments as `write_line`."""
    if not logger.isEnabledFor(logging.INFO):
        return
    status = int(fields["status"])
    colour = _RED if status >= 500 else _YELLOW if status >= 400 or not status else _GREEN
    said = fields["code"] or fields.get("model", "")
    told = f"{fields['method']} {fields['path']} {fields['total_ms']:.0f} ms {said}"
    at = f"{datetime.now(UTC).astimezone():%H:%M:%S}"
    sys.stdout.write(f"{_DIM}{at}{_PLAIN} {colour}{status or message}{_PLAIN} {_visible(told)}\n")
    sys.stdout.flush()


def _visible(text: str) -> str:
    return "".join(one if one.isprintable() or one == "\n" else "?" for one in text)


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


def log_config(level: str, *, for_people: bool = False) -> dict[str, Any]:
    """Gives the configuration of `logging` for this process, uvicorn's loggers included."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": TerminalLine if for_people else JsonLine}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "line"}},
        "root": {"level": "WARNING", "handlers": ["stdout"]},
        "loggers": {
            "imgcls_serve": {"level": level.upper()},
            # It tells of its start and end, as the service itself does.
            "uvicorn": {"level": "DEBUG" if level == "debug" else "WARNING"},
        },
    }
