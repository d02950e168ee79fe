"""Waiting for a deployment, as its users and whoever deploys it do."""

from __future__ import annotations

import time
from collections.abc import Callable

from imgcls_sdk.answers import Readiness
from imgcls_sdk.client import ImgclsClient
from imgcls_sdk.errors import AnswerTimeoutError, ImgclsClientError, UnreachableError

POLL_S = 1.0


def wait_until_ready(
    client: ImgclsClient,
    wait_s: float,
    *,
    sha256: str | None = None,
    poll_s: float | None = None,
    say: Callable[[str], object] = len,
    passing: tuple[type[ImgclsClientError], ...] = (UnreachableError, AnswerTimeoutError),
    lasting: tuple[type[ImgclsClientError], ...] = (),
) -> Readiness:
    """Asks until the service is ready or the time is over.

    A platform answers with the former revision while the new one starts; the artifact's hash tells them apart.

    Args:
        client: should send once.
        wait_s: how long, in seconds.
        sha256: of the artifact that must answer; None takes any.
        poll_s: between two questions, in seconds; a second by default.
        say: gets each new state as one sentence; by default nobody is told.
        passing: failures that may pass, as when the service is not there yet; others are raised at once.
        lasting: those among them that do not pass.

    Raises:
        ImgclsClientError: a passing failure lasted to the end, or another one came.
    """
    pause_s = POLL_S if poll_s is None else poll_s
    ends = time.monotonic() + wait_s
    last = ""
    while True:
        is_last = time.monotonic() >= ends
        try:
            readiness = _readiness(client, sha256)
            state = readiness.reason or "ready"
        except passing as error:
            if is_last or isinstance(error, lasting):
                raise
            readiness, state = Readiness(ready=False), error.brief
        if state != last:
            say(last := state)
        if readiness.ready or is_last:
            return readiness
        # The last question is asked when the time is over, and not a pause before.
        time.sleep(max(0.0, min(pause_s, ends - time.monotonic())))


def _readiness(client: ImgclsClient, sha256: str | None) -> Readiness:
    readiness = client.ready()
    if not readiness.ready or sha256 is None:
        return readiness
    model = client.health().model
    actual = None if model is None else model.sha256
    if actual == sha256:
        return Readiness(ready=True, reason=f"ready with the artifact {sha256[:12]}")
    return Readiness(ready=False, reason=f"ready, but with the artifact {actual or 'none'}, not {sha256}")
