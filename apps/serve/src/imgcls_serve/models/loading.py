"""Loads that can be given up: on threads that nobody waits for at the end, or tried in a process first."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import psutil
from imgcls_core import OnnxClassifier
from imgcls_core.errors import ArtifactError, ImgclsError

from imgcls_serve.models.kept_graphs import KeptGraphs

_T = TypeVar("_T")
_THREAD_NAME: Final = "imgcls-load"
_LOOK_S: Final = 0.05
# The runtime holds a network up to four times while it rearranges it; activations take tens of MB, seldom hundreds.
_BYTES: Final = 1_000_000_000
_BYTES_PER_BYTE: Final = 8


@dataclass(frozen=True)
class LoadLimits:
    """What a load may take.

    Args:
        timeout_s: how long.
        max_bytes: most memory beyond what the process has when it begins; 0 goes by the file's size.
    """

    timeout_s: float
    max_bytes: int = 0

    def bytes_for(self, file: Path) -> int:
        """Gives the most memory that loading this file may take."""
        try:
            return self.max_bytes or _BYTES + _BYTES_PER_BYTE * file.stat().st_size
        except OSError:  # as loading it will say
            return _BYTES


class LoadAbandonedError(ArtifactError):
    """An artifact whose load took too long, or ended the process that tried it."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{str(file)!r} cannot be loaded: {reason}.")


class _Watch:
    """Looks whether a process keeps within the limits of a load.

    Args:
        file: what is loaded.
        timeout_s: how long it may take.
        most_bytes: how much memory it may take from now on; None is any.
        process: which.
    """

    def __init__(self, file: Path, timeout_s: float, most_bytes: int | None, process: psutil.Process) -> None:
        self._file, self._timeout_s, self._most_bytes, self._process = file, timeout_s, most_bytes, process
        self._until_s = time.monotonic() + timeout_s
        self._began_with = process.memory_info().rss if most_bytes is not None else 0

    def check(self) -> None:
        """Raises if it does not.

        Raises:
            LoadAbandonedError: it takes longer or more memory.
        """
        if time.monotonic() > self._until_s:
            reason = f"it takes longer than {self._timeout_s:g} s (`IMGCLS_LOAD_TIMEOUT_S`)"
            raise LoadAbandonedError(self._file, reason)
        if self._most_bytes is not None:
            with contextlib.suppress(psutil.Error):  # it has just ended
                if self._process.memory_info().rss - self._began_with > self._most_bytes:
                    reason = f"it takes more than {self._most_bytes / 1e6:,.0f} MB (`IMGCLS_MAX_LOAD_BYTES`)"
                    raise LoadAbandonedError(self._file, reason)


async def on_thread_of_its_own(
    work: Callable[[], _T], file: Path, *, timeout_s: float, most_bytes: int | None = None
) -> _T:
    """Does work that may never end; the end of the process does not wait for it.

    Args:
        work: what is done.
        file: what is loaded, for the error text.
        timeout_s: how long it may take.
        most_bytes: how much the process may grow meanwhile; None is any.

    Raises:
        LoadAbandonedError: it took longer or more memory than allowed, and goes on for nobody.
    """
    watch = _Watch(file, timeout_s, most_bytes, psutil.Process())
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
    while not (await asyncio.wait([future], timeout=_LOOK_S))[0]:
        watch.check()
    return future.result()


def end_process(exit_code: int) -> NoReturn:
    """Ends the process with this code, whatever a load still does."""
    if any(thread.name == _THREAD_NAME for thread in threading.enumerate()):
        # An interpreter that is taken down around a thread in native code aborts, and its exit code with it.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    sys.exit(exit_code)


def try_apart(file: Path, *, provider: str, limits: LoadLimits, keep: Path | None = None) -> None:
    """Loads an artifact in a process of its own, so that what does not end or takes all memory can be given up.

    What core says of the file is not said here: loading it says so again.

    Args:
        file: the artifact.
        provider: as `OnnxClassifier` takes it.
        limits: what it may take.
        keep: the folder of `KeptGraphs` into which its graph is written, once it is proven.

    Raises:
        LoadAbandonedError: it took longer or more memory than allowed, or ended its process.
    """
    command = [sys.executable, "-m", "imgcls_serve.models.loading", str(file), provider, *([str(keep)] if keep else [])]
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing) as process:  # noqa: S603 - this program
        watch = _Watch(file, limits.timeout_s, limits.bytes_for(file), psutil.Process(process.pid))
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_S)
                watch.check()
        finally:
            process.kill()
    if process.returncode < 0:
        raise LoadAbandonedError(file, f"it ended the process that tried it (signal {-process.returncode})")


def _main() -> None:
    os.nice(5)
    path, provider, *keep = sys.argv[1:]
    with contextlib.suppress(ImgclsError, MemoryError, OSError):
        classifier = OnnxClassifier(Path(path), provider=provider, threads=1)
        classifier.check_golden()
        for folder in keep:
            KeptGraphs(Path(folder), provider=provider).keep(Path(path), classifier.sha256)


if __name__ == "__main__":
    _main()
