"""What is known of one request while it is served: its id, its clock and what the log line will say."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

KEY: Final = "imgcls.context"

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestContext:
    """One request.

    Args:
        request_id: from the caller or made here.

    Attributes:
        code: stable code of the problem that was answered, if one was.
        fields: more members for the log line.
    """

    __slots__ = ("code", "fields", "request_id", "started_s", "status")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.started_s = time.perf_counter()
        self.status = 0
        self.code: str | None = None
        self.fields: dict[str, Any] = {}

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the request's headers were read."""
        return (time.perf_counter() - self.started_s) * 1000


def context_of(scope: MutableMapping[str, Any]) -> RequestContext:
    """Gives the request's context; a fresh one outside the middleware."""
    context = scope.get(KEY)
    if not isinstance(context, RequestContext):
        context = scope[KEY] = RequestContext(new_request_id(None))
    return context


def new_request_id(given: str | None) -> str:
    """Takes the caller's id where it is harmless in headers and logs, else makes one."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """Gives the first header of this lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None
