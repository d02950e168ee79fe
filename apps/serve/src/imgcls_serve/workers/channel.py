"""The connections of a worker, as they come from its supervisor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from typing import Any, Final

from imgcls_serve.workers.rows import Figure
from imgcls_serve.workers.together import Together

_AT_ONCE: Final = 64


class ConnectionChannel:
    """Takes connections, and says how many there are.

    Args:
        together: the worker.
        protocol: makes what serves a connection.
        open_: the connections.

    Attributes:
        has_ended: whether the supervisor gives no more, or has died.
    """

    def __init__(self, together: Together, protocol: Callable[[], asyncio.Protocol], open_: Collection[object]) -> None:
        self.has_ended = False
        self._together, self._protocol, self._open = together, protocol, open_
        self._taken = 0
        self._coming: set[asyncio.Task[Any]] = set()
        self._socket = socket.socket(fileno=together.seat.channel)
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._take)

    def tell(self, *, is_done: bool) -> None:
        """Tells the supervisor how many connections there are, and whether nothing is in flight at the end."""
        self._together.write(Figure.OPEN, len(self._open) + len(self._coming))
        self._together.write(Figure.TAKEN, self._taken)
        self._together.write(Figure.IS_DONE, int(is_done))

    def _take(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                data, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
            except BlockingIOError:
                break
            if not data:
                self.has_ended = True
                loop.remove_reader(self._socket.fileno())
                break
            for descriptor in descriptors:
                self._taken += 1
                connection = socket.socket(fileno=descriptor)
                connection.setblocking(False)
                task = loop.create_task(_serve(loop, self._protocol, connection))
                self._coming.add(task)
                task.add_done_callback(self._coming.discard)
        self.tell(is_done=False)


async def _serve(
    loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.Protocol], connection: socket.socket
) -> None:
    try:
        await loop.connect_accepted_socket(protocol, connection)
    except OSError:  # it has hung up before
        connection.close()
