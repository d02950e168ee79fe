"""Refuses an image that finds no place by the head of its request alone: without a task, a route, or its body."""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec
from imgcls_contract import PROBLEMS, ProblemDocument

from imgcls_serve.connections.whole_answers import whole_answer
from imgcls_serve.errors import NotReadyError, QueueFullError
from imgcls_serve.http.request_context import request_id_of
from imgcls_serve.http.security import Gatekeeper
from imgcls_serve.service import Service

_PATH: Final = "/predict"
_FULL: Final = PROBLEMS["queue_full"]
# What an answer depends on besides the queue; the application looks after such requests.
_SPECIAL: Final = frozenset({b"origin", b"x-request-timeout-ms"})

_encode: Final = msgspec.json.Encoder().encode


class QuickRefusals:
    """Answers 503 in a fraction of the time that the application needs for it.

    Under three times the load that can be answered, two of three requests are refused, and what they cost is missing
    for the others. Whatever is not sure to be refused is left to the application.

    Args:
        service: what is full.
        gatekeeper: who may call.
    """

    def __init__(self, service: Service, gatekeeper: Gatekeeper) -> None:
        self._service = service
        self._gatekeeper = gatekeeper

    @property
    def may_be_due(self) -> bool:
        """Whether so much waits that somebody is refused; nearly always False, and then all that is asked."""
        return self._service.is_crowded

    def answer(self, scope: dict[str, Any], url: bytes, network: str) -> bytes | None:
        """Gives the whole answer for an image that finds no place; None for every other request.

        Args:
            scope: of ASGI, as far as the headers tell it.
            url: the request's target.
            network: the address that counts as one caller, where no keys are needed.
        """
        began_s = time.perf_counter()
        service = self._service
        if url.partition(b"?")[0] != _PATH.encode() or service.tracer is not None:  # a trace tells of every request
            return None
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not _SPECIAL.isdisjoint(headers) or self._gatekeeper.is_stranger(headers):
            return None
        try:
            service.expect_image(self._gatekeeper.key_digest(headers) or network)
        except QueueFullError as error:
            retry_after_s, detail = error.retry_after_s, str(error)
        except NotReadyError:
            return None
        else:
            return None
        request_id = request_id_of(headers)
        body = _encode(ProblemDocument.of(_FULL, detail, request_id))
        seconds = time.perf_counter() - began_s
        service.metrics.request_answered(_PATH, _FULL.status, _FULL.code, seconds)
        service.request_lines.write(
            {
                "method": "POST",
                "path": _PATH,
                "request_id": request_id,
                "status": _FULL.status,
                "code": _FULL.code,
                "total_ms": round(seconds * 1000, 3),
            }
        )
        return whole_answer(_FULL, body, f"retry-after: {retry_after_s}", f"x-request-id: {request_id}")
