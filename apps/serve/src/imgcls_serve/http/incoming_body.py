"""A request's body as its connection receives it."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Message, Receive
from uvicorn.protocols.http.flow_control import FlowControl

# Key of the ASGI scope under which a request finds its `IncomingBody`.
BODY: Final = "imgcls.body"

# More waits in the socket until somebody reads. The event loop reads this much at a time.
_MAX_UNREAD_BYTES: Final = 262_144


class IncomingBody:
    """Holds what has come and was not yet read: chunks are kept as they come and joined once.

    uvicorn appends each chunk to a buffer, copies the buffer for the application, and stops reading from the socket
    above 64 KB: for a photo that is 0.3 MB of copies and two system calls.

    Args:
        flow: stops the connection's reading while too much is unread.
    """

    def __init__(self, flow: FlowControl) -> None:
        self._flow = flow
        self._chunks: list[bytes] = []
        self._unread_bytes = 0
        self._is_whole = False
        self._is_read = False
        self._is_lost = False
        self._waiter: asyncio.Future[None] | None = None

    def add(self, chunk: bytes) -> None:
        """A part of the body has come."""
        self._chunks.append(chunk)
        self._unread_bytes += len(chunk)
        if self._unread_bytes > _MAX_UNREAD_BYTES:
            self._flow.pause_reading()
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._wake()

    def lose(self) -> None:
        """The caller has hung up."""
        self._is_lost = True
        self._wake()

    def take_whole(self) -> bytes | None:
        """Gives the body if all of it has come and none was read; else None, and `receive` gives it."""
        if not self._is_whole or self._is_read:
            return None
        self._is_read = True
        return self._take()

    async def receive(self, rest: Receive) -> Message:
        """Gives the next part, as ASGI's `receive`; waits for it.

        Args:
            rest: is asked for what follows the body.
        """
        if self._is_read:
            return await rest()
        self._flow.resume_reading()
        while not (self._chunks or self._is_whole or self._is_lost):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._is_lost:
            return {"type": "http.disconnect"}
        self._is_read = self._is_whole
        return {"type": "http.request", "body": self._take(), "more_body": not self._is_whole}

    def _take(self) -> bytes:
        chunks, self._chunks, self._unread_bytes = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
