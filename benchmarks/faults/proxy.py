"""A proxy on loopback between a caller and a healthy service, in which faults are planted."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Generator
from typing import Protocol

from messages import Answer, Headers, Request


class Fault(Protocol):
    """What the proxy asks."""

    def on_request(self, request: Request) -> Request:
        """Gives what the service is sent."""
        ...

    def on_answer(self, sent: Request, answer: Answer) -> Answer:
        """Gives what the caller is answered, to the request as it was sent."""
        ...


@contextlib.contextmanager
def run_proxy(port: int, fault: Fault) -> Generator[str]:
    """Runs a proxy before the service at a port of loopback; gives its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(_start(port, fault), loop).result()
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _start(port: int, fault: Fault) -> asyncio.Server:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await _serve(reader, writer, port, fault)
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20)


async def _stop(server: asyncio.Server) -> None:
    server.close()
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, fault: Fault) -> None:
    """Passes one connection's requests on, one after the other, over one connection of its own."""
    upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    try:
        while True:
            line, headers = await _head(reader)
            method, target, _ = line.split(" ", 2)
            if headers.get("expect"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            sent = Request(method, target, headers, await _body(reader, headers))
            passed = fault.on_request(sent)
            upstream_writer.write(_message(f"{passed.method} {passed.target} HTTP/1.1", passed.headers, passed.body))
            status_line, answer_headers = await _head(upstream_reader)
            status = int(status_line.split(" ")[1])
            has_body = method != "HEAD" and status >= 200 and status not in {204, 304}
            body = await _body(upstream_reader, answer_headers) if has_body else b""
            answer = fault.on_answer(sent, Answer(status, answer_headers, body))
            writer.write(_message(status_line, answer.headers, answer.body, keep_length=not has_body))
            await writer.drain()
            if "close" in (answer.headers.get("connection").lower(), headers.get("connection").lower()):
                return
    finally:
        upstream_writer.close()


async def _head(reader: asyncio.StreamReader) -> tuple[str, Headers]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return lines[0], Headers(tuple((name, value.strip()) for name, _, value in pairs))


async def _body(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    if headers.get("transfer-encoding").lower() == "chunked":
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return body
    return await reader.readexactly(int(headers.get("content-length") or 0))


def _message(first: str, headers: Headers, body: bytes, *, keep_length: bool = False) -> bytes:
    if not keep_length:
        headers = headers.with_("transfer-encoding", None).with_("expect", None).with_("content-length", str(len(body)))
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.fields)
    return f"{first}\r\n{fields}\r\n".encode("latin-1") + body
