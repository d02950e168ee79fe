"""Whether a caller who sends no more still waits for the answer."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

# At once, then ever more rarely.
_FIRST_S: Final = 0.01
_LAST_S: Final = 0.5


class CallerLook:
    """Asks the system whether the caller has refused what was sent, and then ends the connection.

    Args:
        loop: of the connection.
        transport: likewise.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop, self._transport = loop, transport
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, next_s: float = _FIRST_S) -> None:
        """Asks now and from now on."""
        if self._transport.is_closing():
            return
        if self._transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._transport.abort()
            return
        self._timer = self._loop.call_later(next_s, self.begin, min(2 * next_s, _LAST_S))

    def cancel(self) -> None:
        """Asks no more."""
        if self._timer is not None:
            self._timer.cancel()
