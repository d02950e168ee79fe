"""Many loads, one for each setting and number of callers, and which setting they speak for."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import ImgclsClientError, SettingsError
from imgcls_sdk.retry_policy import NO_RETRY

from imgcls_client.load.samples import Load

_MOST_CALLERS = 256
# More callers that bring less than this only wait for each other.
_WORTH_IT = 1.05
# Rates this close are the same on a machine that does other things too; fewer callers then wait less.
_AS_GOOD = 0.95
_READY_S, _END_S, _POLL_S = 300.0, 30.0, 0.2


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """One load of a sweep: the service's settings as variables, how many callers, and what came."""

    settings: dict[str, str]
    callers: int
    load: Load

    @property
    def p99_ms(self) -> float:
        """The slowest of a hundred calls; infinite where none was answered."""
        found = self.load.latency_ms(99)
        return float("inf") if found is None else found

    def million_cost(self, price: float) -> float:
        """Gives what a million images cost on a machine of that price an hour."""
        rate = self.load.answers_a_second
        return price / 3600 * 1e6 / rate if rate else float("inf")


def sweep_callers(settings: dict[str, str], measure: Callable[[int], Load]) -> Iterator[SweepPoint]:
    """Doubles the callers until more of them bring no more answers."""
    best, callers = 0.0, 1
    while callers <= _MOST_CALLERS:
        point = SweepPoint(settings, callers, measure(callers))
        yield point
        rate = point.load.answers_a_second
        if rate < best * _WORTH_IT:
            return
        best, callers = max(best, rate), callers * 2


def recommended(points: Sequence[SweepPoint], most_p99_ms: float | None) -> SweepPoint | None:
    """Chooses the fewest callers among the points that answer as fast as the best, without errors and in time."""
    good = [
        point
        for point in points
        if point.load.answered and not point.load.errors and (most_p99_ms is None or point.p99_ms <= most_p99_ms)
    ]
    best = max((point.load.answers_a_second for point in good), default=0.0)
    as_good = [point for point in good if point.load.answers_a_second >= best * _AS_GOOD]
    return min(as_good, key=lambda point: (point.callers, point.p99_ms), default=None)


@contextmanager
def started_service(command: str, settings: dict[str, str]) -> Generator[str]:
    """Starts a service on a free port with settings as variables, gives its address when it is ready, and ends it.

    Raises:
        SettingsError: it cannot be started, or does not get ready.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {**os.environ, "IMGCLS_HOST": "127.0.0.1", "IMGCLS_PORT": str(port), **settings}
    try:
        # The command is the user's own, and no shell reads it; its log would stand among our rows.
        words, nowhere = shlex.split(command), subprocess.DEVNULL
        process = subprocess.Popen(words, env=environment, stdout=nowhere, stderr=nowhere)  # noqa: S603
    except (OSError, ValueError, IndexError) as error:
        raise SettingsError(f"--start {command!r} cannot be run: {error}.") from error
    try:
        _wait_for(process, url, command)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for(process: subprocess.Popen[bytes], url: str, command: str) -> None:
    ends = time.monotonic() + _READY_S
    with ImgclsClient(url, retry=NO_RETRY) as client:
        while time.monotonic() < ends:
            if (ended := process.poll()) is not None:
                raise SettingsError(f"--start {command!r} ended with {ended} before it was ready; run it alone.")
            with suppress(ImgclsClientError):
                if client.ready().ready:
                    return
            time.sleep(_POLL_S)
    raise SettingsError(f"--start {command!r} did not get ready within {_READY_S:g} s.")
