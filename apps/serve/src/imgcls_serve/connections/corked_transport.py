"""Sends the head of an answer with its body, and takes leave of senders who are not done yet."""

from __future__ import annotations

import asyncio
from typing import Any, Final

_LARGE_BYTES: Final = 65_536
_BEGINNING: Final = b"HTTP/1.1 "


class CorkedTransport:
    """Sends the head of an answer together with its body: one system call and one packet instead of two.

    uvicorn writes them one after the other. Measured with 110 KB requests, the second write cost 10 % of the event
    loop's time.

    Attributes:
        is_sender_busy: whether a body is still coming; closing then says only that nothing follows, for a socket that
            is closed with bytes unread takes the answer with it.
        has_ended: whether that was said; closing again closes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._has_begun = False
        self.is_sender_busy = False
        self.has_ended = False

    def begin(self) -> None:
        """Sends what every answer begins with, before there is one: the system of a caller who has gone says so."""
        self._has_begun = True
        self._transport.write(_BEGINNING)

    def write(self, data: bytes) -> None:
        """Holds a head back until its body comes; an interim answer has none and leaves at once.

        What is written for a caller who has gone is dropped: requests that were sent together learn of it one by one.
        """
        if self._transport.is_closing():
            return
        if not self._head and data.startswith(_BEGINNING) and not data.startswith(b"HTTP/1.1 1"):
            self._head = data[len(_BEGINNING) :] if self._has_begun else data
            self._has_begun = False
            return
        head, self._head = self._head, b""
        if len(data) > _LARGE_BYTES:
            # Joined they would be a copy for each caller who is slow to read, of what is kept only once.
            self._transport.write(head)
            self._transport.write(data)
        else:
            self._transport.write(head + data)

    def close(self) -> None:
        """Sends what was held back and closes, at once or when the sender has come to its end."""
        if self.is_sender_busy and not self.has_ended:
            self.write_eof()
            return
        self.flush()
        self._transport.close()

    def write_eof(self) -> None:
        """Sends what was held back and says that nothing follows; the other side may still be read."""
        self.flush()
        self.has_ended = True
        self._transport.write_eof()

    def flush(self) -> None:
        """Sends a head that no body followed: the answer to HEAD, and statuses like 204."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)
