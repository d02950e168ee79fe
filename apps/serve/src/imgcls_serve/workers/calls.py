"""Calls from worker to worker, over sockets in a folder that is theirs alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from imgcls_core import ImgclsError

Handler = Callable[[str, Any], Awaitable[Any]]
_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode


class CallFailedError(ImgclsError):
    """Another worker could not do what it was asked; the message is its own sentence."""

    code = "worker_failed"


class Calls:
    """Asks the other workers, and answers them.

    Args:
        folder: of the sockets.
        slot: whose they are.
        workers: how many there are.
        handler: answers a call: its name, its argument; raises ImgclsError.
    """

    def __init__(self, folder: Path, slot: int, workers: int, handler: Handler) -> None:
        self._folder, self._slot, self._workers, self._handler = folder, slot, workers, handler
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Answers from now on."""
        path = self._path(self._slot)
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._answer, path)

    def close(self) -> None:
        """Answers no more."""
        if self._server is not None:
            self._server.close()

    async def ask(self, slot: int, call: str, argument: Any = None, *, timeout_s: float) -> Any:  # noqa: ANN401 - as sent
        """Asks one worker.

        Raises:
            OSError: it is not there.
            CallFailedError: it could not, or gave no answer in time.
        """
        reader, writer = await asyncio.open_unix_connection(self._path(slot))
        try:
            writer.write(_encode([call, argument]))
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), timeout_s)
        except TimeoutError:
            raise CallFailedError(f"a worker did not answer within {timeout_s:g} s") from None
        finally:
            writer.close()
        if not answer:
            raise ConnectionResetError
        is_done, value = _decode(answer)
        if not is_done:
            raise CallFailedError(value)
        return value

    async def ask_others(self, call: str, argument: Any = None, *, timeout_s: float) -> list[Any]:  # noqa: ANN401 - as sent
        """Asks all others that are there, at once.

        Raises:
            CallFailedError: one could not; all have answered.
        """
        asked = [
            self.ask(slot, call, argument, timeout_s=timeout_s) for slot in range(self._workers) if slot != self._slot
        ]
        found = await asyncio.gather(*asked, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(
                one, OSError
            ):  # who is not there learns it when it comes
                raise one
        return [one for one in found if not isinstance(one, BaseException)]

    def _path(self, slot: int) -> Path:
        return self._folder / f"{slot}.sock"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            call, argument = _decode(await reader.read())
            try:
                answer = [True, await self._handler(call, argument)]
            except ImgclsError as error:
                answer = [False, str(error)]
            writer.write(_encode(answer))
            await writer.drain()
        writer.close()
