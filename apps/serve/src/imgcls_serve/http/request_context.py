"""What is known of one request while it is served: its id, its clock, what answers it, what will be told of it."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import time
from collections.abc import Callable, Mapping, MutableMapping
from functools import cached_property
from typing import Any, Final, NamedTuple

from imgcls_serve.errors import InvalidParameterError
from imgcls_serve.http.caller import network_of
from imgcls_serve.http.security import Gatekeeper
from imgcls_serve.http.url_fetch import UrlFetcher
from imgcls_serve.models.served_model import ServedModel
from imgcls_serve.scheduler.job import Deadline, JobResult
from imgcls_serve.service import Service

KEY: Final = "imgcls.context"

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# Unique without a system call for each request: a random start of the process and a count.
_PROCESS_ID: Final = os.urandom(10).hex()
_COUNT: Final = itertools.count()


class AnsweredImage(NamedTuple):
    """An answer as metrics count it."""

    model: str
    class_id: int
    label: str
    probability: float
    result: JobResult


class RequestContext:
    """One request.

    Args:
        scope: of ASGI.
        service: what answers.
        gatekeeper: who may do what.
        urls: fetches images from URLs; None where that is not allowed.

    Attributes:
        headers: the last value of each header, names in lower case.
        request_id: the caller's where it is harmless in headers and logs, else made here.
        route: pattern of the route that answers; all addresses that nobody serves are one.
        status: of the answer, 0 before it.
        code: stable code of the problem that was answered, if one was.
        fields: more members for the log line.
        answered: its images, counted when its answer has left.
        held_bytes: of its body, counted in the service's `bodies` until the request is over.
        held_models: stay in memory until the request is over.
        give_way: ends the reading of its body for a caller who holds less; None while none is read.
    """

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        service: Service,
        *,
        gatekeeper: Gatekeeper,
        urls: UrlFetcher | None,
    ) -> None:
        self.started_s = time.perf_counter()
        self._client = scope.get("client")  # not the scope, which holds this context
        self.service = service
        self.gatekeeper = gatekeeper
        self.urls = urls
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = request_id_of(self.headers)
        self.route = "unknown"
        self.status = 0
        self.code: str | None = None
        self.fields: dict[str, Any] = {}
        self.answered: list[AnsweredImage] = []
        self.held_bytes = 0
        self.held_models: list[ServedModel] = []
        self.give_way: Callable[[], None] | None = None

    async def model(self, name: str | None) -> ServedModel:
        """Gives the model of this name, the default one for None; it stays in memory until the request is over.

        Raises:
            NotReadyError: the service takes nothing.
            UnknownModelError: no such model.
            ModelLoadingError: it is not in memory before the request's time is over.
            ModelRefusedError: it cannot be loaded.
        """
        self.service.check_ready()
        model = await self.service.on_demand.hold(name, until_s=self.deadline.at_s)
        self.held_models.append(model)
        return model

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds since the request's headers were read."""
        return (time.perf_counter() - self.started_s) * 1000

    def header(self, name: bytes) -> str | None:
        """Gives the header of this lower-case name."""
        value = self.headers.get(name)
        return value.decode("latin-1") if value is not None else None

    @cached_property
    def caller(self) -> bytes | str:
        """Who shares the queue with others: a key where keys are needed, else the address that has connected."""
        return self.gatekeeper.key_digest(self.headers) or network_of(self._client)

    @property
    def is_check(self) -> bool:
        """Whether the caller says that this request tests the deployment, so that its answers are no traffic."""
        return self.headers.get(b"x-imgcls-check") == b"true"

    @cached_property
    def deadline(self) -> Deadline:
        """When this request's time is over, counted from its headers.

        Raises:
            InvalidParameterError: `X-Request-Timeout-Ms` is not a number in the allowed range.
        """
        settings = self.service.settings
        timeout_ms = settings.request_timeout_ms
        if (text := self.header(b"x-request-timeout-ms")) is not None:
            limit = settings.max_request_timeout_ms
            if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= limit:
                raise InvalidParameterError(f"`X-Request-Timeout-Ms` is {text[:40]!r}; 1 to {limit} are allowed.")
            timeout_ms = int(text)
        waited_s = time.perf_counter() - self.started_s
        return Deadline(asyncio.get_running_loop().time() + timeout_ms / 1000 - waited_s, timeout_ms)


def request_id_of(headers: Mapping[bytes, bytes]) -> str:
    """Gives the caller's id of a request where it is harmless, else a new one."""
    given = headers.get(b"x-request-id", b"")
    return given.decode() if _REQUEST_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """Makes an id of 32 hexadecimal digits that no other request has."""
    return f"{_PROCESS_ID}{next(_COUNT):012x}"


def context_of(scope: MutableMapping[str, Any]) -> RequestContext:
    """Gives the context that the middleware made for this request."""
    return scope[KEY]
