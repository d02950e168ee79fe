"""Loads that can be given up: on threads that nobody waits for at the end, and tried in a process first."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from imgcls_core import OnnxClassifier
from imgcls_core.errors import ArtifactError, ImgclsError

_T = TypeVar("_T")
_THREAD_NAME: Final = "imgcls-load"


class LoadAbandonedError(ArtifactError):
    """An artifact whose load took too long, or ended the process that tried it."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{str(file)!r} cannot be loaded: {reason}.")


async def on_thread_of_its_own(work: Callable[[], _T], file: Path, *, timeout_s: float) -> _T:
    """Does work that may never end; the end of the process does not wait for it.

    Raises:
        LoadAbandonedError: it took longer than allowed, and goes on for nobody.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def tell(setter: Callable[..., None], value: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(lambda: None if future.done() else setter(value))

    def run() -> None:
        try:
            tell(future.set_result, work())
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
            tell(future.set_exception, error)

    threading.Thread(target=run, name=_THREAD_NAME, daemon=True).start()
    try:
        return await asyncio.wait_for(future, timeout_s)
    except TimeoutError:
        raise LoadAbandonedError(file, f"it took longer than {timeout_s:g} s (`IMGCLS_LOAD_TIMEOUT_S`)") from None


def end_process(exit_code: int) -> NoReturn:
    """Ends the process with this code, whatever a load still does."""
    if any(thread.name == _THREAD_NAME for thread in threading.enumerate()):
        # An interpreter that is taken down around a thread in native code aborts, and its exit code with it.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)


def try_apart(file: Path, *, timeout_s: float) -> None:
    """Loads an artifact in a process of its own, so that what does not end or takes all memory can be given up.

    What core says of the file is not said here: loading it says so again.

    Raises:
        LoadAbandonedError: it took longer than allowed, or ended its process.
    """
    command = [sys.executable, "-m", "imgcls_serve.models.loading", str(file)]
    try:
        done = subprocess.run(  # noqa: S603 - this program
            command, timeout=timeout_s, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        raise LoadAbandonedError(file, f"it did not answer within {timeout_s:g} s (`IMGCLS_LOAD_TIMEOUT_S`)") from None
    if done.returncode < 0:
        raise LoadAbandonedError(file, f"it ended the process that tried it (signal {-done.returncode})")


def _main() -> None:
    os.nice(5)
    with contextlib.suppress(ImgclsError, MemoryError):
        OnnxClassifier(Path(sys.argv[1]), provider="cpu", threads=1).check_golden()


if __name__ == "__main__":
    _main()
