"""Waits until a deployment answers as ready, with the artifact that was deployed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import httpx

PAUSE_S = 3.0
CALL_TIMEOUT_S = 60.0


def wait_until_ready(
    url: str,
    *,
    headers: Mapping[str, str],
    sha256: str | None,
    timeout_s: float,
    say: Callable[[str], None],
    pause_s: float = PAUSE_S,
) -> bool:
    """Asks `/ready` and `/health` until both agree with what was deployed.

    A platform answers with the former revision while the new one starts; the artifact's hash tells them apart.

    Args:
        url: base address of the service.
        headers: sent with each call.
        sha256: of the artifact that must answer; None takes any.
        timeout_s: how long to wait, in s.
        say: gets each new state as one sentence.
        pause_s: between two calls, in s.

    Returns:
        Whether it got ready in time.
    """
    until_s = time.monotonic() + timeout_s
    last = ""
    with httpx.Client(base_url=url.rstrip("/") + "/", headers=dict(headers), timeout=CALL_TIMEOUT_S) as client:
        while True:
            is_ready, state = _state(client, sha256)
            if state != last:
                say(last := state)
            if is_ready:
                return True
            if time.monotonic() >= until_s:
                return False
            time.sleep(pause_s)


def _state(client: httpx.Client, sha256: str | None) -> tuple[bool, str]:
    try:
        reply = client.get("ready")
        if not reply.is_success:
            return False, f"not ready: {reply.status_code} {' '.join(reply.text.split())[:200]}"
        if sha256 is None:
            return True, "ready"
        answering = str(client.get("health").raise_for_status().json()["model"]["sha256"])
    except httpx.HTTPError as error:
        return False, f"cannot be reached: {type(error).__name__}"
    except (ValueError, KeyError, TypeError):
        return False, "/health does not name the model: is this an imgcls service?"
    if answering != sha256:
        return False, f"ready, but with the artifact {answering[:12]} instead of {sha256[:12]}"
    return True, f"ready with the artifact {answering[:12]}"
