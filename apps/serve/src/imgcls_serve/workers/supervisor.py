"""Starts the workers, hands out connections among them, replaces those that die, and ends all together.

The supervisor listens; a worker is given each connection whole, the next one to whoever has fewest. So connections
that wait for a worker outlive it, and no worker is idle while another has two callers more.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import logging.config
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from imgcls_serve import __version__
from imgcls_serve.listeners import bound_unsent, turn_away, why_not
from imgcls_serve.observing.log_lines import FIELDS, log_config
from imgcls_serve.settings import PREFIX, Settings, unknown_variables
from imgcls_serve.workers.rows import Figure, Rows
from imgcls_serve.workers.seat import Seat
from imgcls_serve.workers.together import metrics_folder

logger = logging.getLogger(__name__)

_BACKLOG: Final = 2048
_LOOK_S: Final = 0.02
# Those who are about to be connected are, after the last call.
_LAST_CALL_S: Final = 0.2
# A worker that has ended its requests says goodbye to its connections.
_GOODBYE_S: Final = 15.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_EXIT_UNUSABLE: Final = 2
_EXIT_CANNOT_LISTEN: Final = 3


class _Worker:
    """A process in a slot.

    Attributes:
        channel: connections are sent through it.
        given: how many were.
    """

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self.process, self.channel = process, channel
        self.given = 0


class Supervisor:
    """All workers of a service.

    Args:
        settings: of the service.
        folder: what the workers share.
        listener: where callers connect.
    """

    def __init__(self, settings: Settings, folder: Path, listener: socket.socket) -> None:
        self._settings, self._folder, self._listener = settings, folder, listener
        self._rows = Rows(folder / "rows", settings.workers, create=True)
        self._workers: dict[int, _Worker] = {}
        self._was_up = False
        self._exit_code = 0
        self._end = asyncio.Event()
        self._signals = 0
        self._started_s = time.monotonic()

    async def run(self) -> int:
        """Serves until told to end; gives the exit code."""
        loop = asyncio.get_running_loop()
        for kind in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(kind, self._told_to_end)
        loop.add_reader(self._listener, self._accept)
        keepers = [asyncio.create_task(self._keep(slot)) for slot in range(self._settings.workers)]
        await self._end.wait()
        self._send_all(signal.SIGTERM)
        until_s = time.monotonic() + self._settings.drain_timeout_s
        while self._workers and not self._all_done() and time.monotonic() < until_s and self._signals < 2:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        turn_away(self._listener.fileno())
        await asyncio.sleep(_LAST_CALL_S)
        loop.remove_reader(self._listener)
        self._accept()
        self._listener.close()
        for worker in self._workers.values():
            worker.channel.close()
        _, late = await asyncio.wait(keepers, timeout=_GOODBYE_S)
        self._send_all(signal.SIGKILL)
        for keeper in late:
            await keeper
        return self._exit_code

    def _told_to_end(self) -> None:
        self._signals += 1
        if self._signals > 1:
            self._send_all(signal.SIGTERM)
        self._end.set()

    def _all_done(self) -> bool:
        return all(self._rows.read(slot, Figure.IS_DONE) for slot in self._workers)

    def _send_all(self, kind: signal.Signals) -> None:
        for worker in self._workers.values():
            with contextlib.suppress(ProcessLookupError):
                worker.process.send_signal(kind)

    async def _keep(self, slot: int) -> None:
        """Has a worker in a slot until the end."""
        pause_s = _FIRST_PAUSE_S
        while not self._end.is_set():
            worker = self._workers[slot] = await self._start(slot)
            code = await worker.process.wait()
            del self._workers[slot]
            worker.channel.close()
            self._was_up |= (was_up := bool(self._rows.read(slot, Figure.IS_UP)))
            if self._end.is_set():
                self._exit_code = self._exit_code or max(code, 0)
                return
            self._rows.clear(slot)
            self._rows.write(slot, Figure.DEATHS, self._rows.read(slot, Figure.DEATHS) + 1)
            if not self._was_up and not self._rows.sum(Figure.IS_UP) and code == _EXIT_UNUSABLE:
                self._exit_code = code
                self._end.set()
                return
            pause_s = _FIRST_PAUSE_S if was_up else min(2 * pause_s, _LONGEST_PAUSE_S)
            logger.error("Worker %d has ended with %d; another takes its place", slot, code)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), pause_s)

    async def _start(self, slot: int) -> _Worker:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        seat = Seat(slot, self._settings.workers, self._folder, self._started_s, theirs.fileno())
        settings = self._settings
        given = {"MODEL": settings.model, "MODELS_DIR": settings.models_dir, "WORKERS": settings.workers}
        environment = os.environ | {f"{PREFIX}{name}": str(value or "") for name, value in given.items()}
        # Its counters are kept in files there: they outlive it.
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(metrics_folder(self._folder))
        command = [sys.executable, "-m", "imgcls_serve", "--seat", msgspec.json.encode(seat, enc_hook=str).decode()]
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the supervisor, which tells it
            )
        self._rows.write(slot, Figure.PID, process.pid)
        return _Worker(process, ours)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # nobody is left, or the one who was has gone
                return
            with connection:
                if not self._give(connection):
                    return

    def _give(self, connection: socket.socket) -> bool:
        """Gives a connection to the worker that has fewest, one that answers images if there is any."""
        for slot in sorted(self._workers, key=self._burden):
            worker = self._workers[slot]
            with contextlib.suppress(OSError):  # it takes no more, or has just ended
                socket.send_fds(worker.channel, [b"\0"], [connection.fileno()])
                worker.given += 1
                return True
        return False

    def _burden(self, slot: int) -> tuple[bool, int]:
        read = self._rows.read
        on_their_way = self._workers[slot].given - read(slot, Figure.TAKEN)
        return not read(slot, Figure.IS_UP), read(slot, Figure.OPEN) + on_their_way


def supervise(settings: Settings, *, notice: str | None = None) -> int:
    """Serves with several workers until told to end; arguments and exit code as `start.serve`."""
    logging.config.dictConfig(log_config(settings.log_level, for_people=settings.logs_for_people))
    for sentence in [*unknown_variables(), *([notice] if notice else [])]:
        logger.warning("%s", sentence)
    if sys.platform != "linux":
        sys.stderr.write(f"imgcls-serve: {PREFIX}WORKERS is {settings.workers}; several need Linux. Leave it at 1.\n")
        return _EXIT_UNUSABLE
    if settings.models_memory:
        sys.stderr.write(
            f"imgcls-serve: {PREFIX}WORKERS is {settings.workers} and {PREFIX}MODELS_MEMORY is set; models on demand "
            "are for one process. Leave one of them out.\n"
        )
        return _EXIT_UNUSABLE
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError:
        reason = why_not(settings.host, settings.port)
        sys.stderr.write(f"imgcls-serve: cannot listen on {settings.host} port {settings.port}: {reason}\n")
        return _EXIT_CANNOT_LISTEN
    listener.setblocking(False)
    bound_unsent(listener.fileno())
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    logger.info("Listening on %s", url, extra={FIELDS: {"url": url, "version": __version__}})
    folder = Path(tempfile.mkdtemp(prefix="imgcls-serve-"))
    metrics_folder(folder).mkdir()

    async def run() -> int:
        return await Supervisor(settings, folder, listener).run()

    try:
        code = asyncio.run(run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    logger.info("Ended")
    return code
