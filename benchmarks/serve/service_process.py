"""A service of its own for a measurement, and the leanest client that can load it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

ADMIN_TOKEN = "admin-token-1"  # noqa: S105 - of a service that lives for one measurement


class Connection:
    """One keep-alive connection, from an address of loopback; opens itself again where the service has closed it."""

    def __init__(self, port: int, *, address: str | None = None) -> None:
        self._port, self._local = port, (address, 0) if address else None
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Sends one request; gives status and body. One that finds its connection closed is sent again."""
        if self._streams is not None:
            try:
                return await self._send(request)
            except asyncio.IncompleteReadError as error:
                if error.partial:
                    raise
        return await self._send(request)

    async def _send(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, local_addr=self._local)
        reader, writer = self._streams
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
            if fields.get(b"connection") == b"close":
                self.close()
            return int(head[9:12]), body
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.close()
            raise

    def close(self) -> None:
        """Hangs up."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


def post(body: bytes, *, path: str = "/predict", media_type: str = "image/jpeg", **headers: str) -> bytes:
    """Gives a whole request."""
    extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    ).encode() + body


class Running:
    """A service process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def rss_mb(self) -> float:
        """Gives its memory in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


@contextlib.asynccontextmanager
async def service(model: Path | None, **settings: object) -> AsyncGenerator[Running]:
    """Starts the service and waits until it is ready. Ends with the service where that ends first, having said why."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    values = {"model": model, "port": port, "admin_token": ADMIN_TOKEN, "log_level": "warning", **settings}
    environment = os.environ | {
        f"IMGCLS_{name.upper()}": "" if value is None else str(value) for name, value in values.items()
    }
    with subprocess.Popen([sys.executable, "-m", "imgcls_serve"], env=environment) as process:  # noqa: ASYNC220
        connection = Connection(port)
        status = 0
        while status != 200:
            if process.poll() is not None:
                raise SystemExit(process.returncode)
            with contextlib.suppress(OSError):
                status, _ = await connection.send(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.02)
        connection.close()
        try:
            yield Running(process, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()
