"""A contestant's processes, all of them: started, asked, their processor time and memory added up, and ended."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from contestants import Contestant

_BOUNDARY = "a-photo-ends-here"
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class LeftOutError(Exception):
    """A contestant does not answer, or wrongly: nothing of it is measured."""


class Running:
    """A contestant that answers.

    Attributes:
        port: on loopback.
        started_s: from starting the process to its first answer to an image.
        left_behind: processes that were still there ten seconds after it had ended; known after the end.
    """

    def __init__(self, contestant: Contestant, port: int, image: bytes, log: Path) -> None:
        self.contestant, self.port = contestant, port
        self.left_behind, self.exit_code = 0, None
        self._image, self._log = image, log
        self._before = {process.pid for process in psutil.Process().children()}
        self.started_s = 0.0

    def wait_ready(self, process: subprocess.Popen[bytes], most_s: float = 180) -> None:
        """Asks about an image until it is answered. Raises `LeftOutError` if the process ends or takes longer."""
        began_s = time.perf_counter()
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask(self._image)[0] == 200:
                    break
            if process.poll() is not None or time.perf_counter() - began_s > most_s:
                tail = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise LeftOutError(f"it does not answer; the end of its log:\n{tail}")
            time.sleep(0.02)
        self.started_s = round(time.perf_counter() - began_s, 2)

    def ask(self, image: bytes) -> tuple[int, bytes]:
        """Sends one image; gives status and body."""
        media_type, body = "image/jpeg", image
        if self.contestant.form:
            head = (
                f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{self.contestant.form}"; filename="a.jpg"\r\n'
            )
            body = head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + image + f"\r\n--{_BOUNDARY}--\r\n".encode()
            media_type = f"multipart/form-data; boundary={_BOUNDARY}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/predict", body, {"Content-Type": media_type})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def cpu_s(self) -> float:
        """Gives the processor time of all its processes so far, in seconds."""
        return sum(times.user + times.system for times in self._each("cpu_times"))

    def memory_mb(self) -> float:
        """Gives the memory of all its processes in MB, shared pages counted once."""
        return round(sum(memory.pss for memory in self._each("memory_full_info")) / 1e6, 1)

    def processes(self) -> int:
        """Gives how many there are."""
        return len(self.living())

    def living(self) -> list[psutil.Process]:
        """Gives what lives below this process and was not there before; what has ended is left out."""
        living: list[psutil.Process] = []
        for child in psutil.Process().children():
            if child.pid not in self._before:
                with contextlib.suppress(psutil.Error):
                    living += [one for one in (child, *child.children(recursive=True)) if _lives(one)]
        return living

    def _each(self, what: str) -> Iterator[Any]:
        for process in self.living():
            with contextlib.suppress(psutil.Error):
                yield getattr(process, what)()


@contextlib.contextmanager
def running(contestant: Contestant, python: str, model: Path, image: bytes) -> Iterator[Running]:
    """Starts a contestant, waits until it answers, and ends it and everything it has started."""
    # Daemons of a peer become children of this process, not of init, so that nothing it starts is left out.
    system = ctypes.CDLL(None)
    system.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        one = Running(contestant, port, image, log)
        with log.open("wb") as lines:
            process = subprocess.Popen(  # noqa: S603
                [python, *(word.format(port=port) for word in contestant.command)],
                env=contestant.environment(model, port),
                cwd=folder,
                stdout=lines,
                stderr=lines,
                start_new_session=True,
            )
        try:
            one.wait_ready(process)
            yield one
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.exit_code = process.wait(timeout=30)
            psutil.wait_procs(one.living(), timeout=10)
            rest = one.living()
            one.left_behind = len(rest)
            for left in rest:
                with contextlib.suppress(psutil.Error):
                    left.kill()
            psutil.wait_procs(rest, timeout=10)
            system.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
