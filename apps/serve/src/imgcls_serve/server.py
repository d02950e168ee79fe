"""Runs the application in uvicorn, and ends it as orchestrators want it: drained, exit code 0."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator
from types import FrameType
from typing import Any

import uvicorn

from imgcls_serve import __version__
from imgcls_serve.app import create_app
from imgcls_serve.connections.protocol import guarded_protocol
from imgcls_serve.connections.quick_refusals import QuickRefusals
from imgcls_serve.http.security import Gatekeeper
from imgcls_serve.listeners import bound_unsent, turn_away, why_not
from imgcls_serve.models.loading import LoadAbandonedError
from imgcls_serve.observing.log_lines import FIELDS
from imgcls_serve.service import Service
from imgcls_serve.workers.channel import ConnectionChannel
from imgcls_serve.workers.together import Together

logger = logging.getLogger(__name__)

# Longer than the 60 s of common load balancers: the side that reuses a connection must be the one that closes it.
_KEEP_ALIVE_S = 75

# All are answered, or late, when the server ends: whatever a connection still waits for, it ends with it.
_LAST_S = 10

# Threads that hang, or what an interpreter waits for when it ends, hold the process no longer than this.
_END_S = 5

# Who connected while the end came has sent its request by then.
_LINGER_S = 1.0
_LOOK_S = 0.02
_LOOKS = 10

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_CANNOT_LISTEN = 3
EXIT_BROKEN = 70


class DrainingServer(uvicorn.Server):
    """On SIGTERM or SIGINT goes on listening, lets what was accepted finish, and then ends.

    While it drains, `/ready` and every new request are answered with 503, so that a load balancer sees it leave.
    A second signal ends at once.
    """

    def __init__(self, config: uvicorn.Config, *, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._drain_until_s: float | None = None
        self._channel: ConnectionChannel | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """As uvicorn's, but does not raise the signal again: a drained end is a good one."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {kind: signal.signal(kind, self.handle_exit) for kind in (signal.SIGINT, signal.SIGTERM)}
        if self._service.is_draining:  # told to end before it began
            self.handle_exit(signal.SIGTERM, None)
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to drain; a second signal ends at once."""
        del sig, frame
        if self._drain_until_s is not None:
            self.should_exit = self.force_exit = True
            _end_within(_LINGER_S + _END_S)
            return
        _end_within(self._service.settings.drain_timeout_s + _LINGER_S + _LAST_S + _END_S)
        logger.info("Draining: %d requests in flight", self._service.requests_in_flight)
        self._drain_until_s = time.monotonic() + self._service.settings.drain_timeout_s
        self._service.drain()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen and says where; a worker takes its connections from its supervisor."""
        if isinstance(together := self._service.together, Together):
            await self.lifespan.startup()
            self.servers, self.started = [], True
            self._channel = ConnectionChannel(together, self._protocol, self.server_state.connections)
            return
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                bound_unsent(listening.fileno())
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        logger.info("Listening on %s", url, extra={FIELDS: {"url": url, "version": __version__}})

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        return kind(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends after those who have just connected: no more are let in, and these are told 503 instead of a reset."""
        if not isinstance(self._service.fatal, LoadAbandonedError):  # which goes on taking memory
            await self._take_leave()
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn then leaves the application waiting, and its end in a traceback
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.lifespan.shutdown(), _LINGER_S)

    async def _take_leave(self) -> None:
        """Lets in who is about to be connected, nobody after them, and gives all time for a request that is refused."""
        for server in self.servers:
            for listening in server.sockets:
                turn_away(listening.fileno())
        for _ in range(_LOOKS):
            await asyncio.sleep(_LOOK_S)  # those who are about to be connected are
        for server in self.servers:
            server.close()
        until_s = time.monotonic() + _LINGER_S
        while self.server_state.connections and not self.force_exit and time.monotonic() < until_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)

    async def on_tick(self, counter: int) -> bool:
        """Is asked ten times a second whether to end."""
        service, channel = self._service, self._channel
        if service.fatal is not None or (service.is_broken and channel is not None):
            return True
        if channel is not None and channel.has_ended and self._drain_until_s is None:  # its supervisor has died
            self.handle_exit(signal.SIGTERM, None)
        if self._drain_until_s is not None:
            is_late = time.monotonic() >= self._drain_until_s
            is_done = service.requests_in_flight == 0 and service.pending == 0
            if channel is not None:
                channel.tell(is_done=is_done)
                is_done &= channel.has_ended  # until then others are answered, and more may come
            if is_late or is_done:
                return True
        elif channel is not None:
            channel.tell(is_done=False)
        return await super().on_tick(counter)


def _end_within(seconds: float) -> None:
    """Ends the process by then in any case, exit code 1, and tells where each thread stood, which names the fault."""
    faulthandler.dump_traceback_later(seconds, exit=True)


async def serve(service: Service) -> int:
    """Serves until told to end.

    Returns:
        The exit code: 0 drained, 2 the artifact cannot be used, 3 the port cannot be listened on.
    """
    settings = service.settings
    config = uvicorn.Config(
        create_app(service),
        host=settings.host,
        port=settings.port,
        http=guarded_protocol(
            QuickRefusals(service, Gatekeeper.of(settings)),
            header_timeout_s=settings.header_timeout_s,
            max_connections=-(-settings.max_connections // settings.workers),
            write_timeout_s=settings.write_timeout_s,
        ),
        ws="none",
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_LAST_S,
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )
    server = DrainingServer(config, service=service)
    try:
        await server.serve()
    except SystemExit:
        # uvicorn has logged why it cannot listen.
        reason = why_not(settings.host, settings.port)
        sys.stderr.write(f"imgcls-serve: cannot listen on {settings.host} port {settings.port}: {reason}\n")
        return EXIT_CANNOT_LISTEN
    if service.is_broken and service.together.seat is not None:
        return EXIT_BROKEN
    if service.fatal is not None:
        sys.stderr.write(f"imgcls-serve: {service.fatal}\n")
        return EXIT_USAGE
    logger.info("Ended")
    return EXIT_OK
