"""Telling somebody: a webhook or a command, once for each transition of a rule."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass

import httpx
from imgcls_contract.bounds import SHORT_ANSWER, BoundsError, bounded, limit

from imgcls_client.monitor.rules import AlertTransition

_SILENCE_S = 10.0
_COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Alerting:
    """Where alerts go.

    Attributes:
        webhook: gets `POST` with a JSON document; its `text` suits chat services.
        command: is run with the same document on its standard input.
    """

    webhook: str | None = None
    command: str | None = None

    def tell(self, transition: AlertTransition, url: str) -> list[str]:
        """Tells everybody; what could not be told is given back, because the watching goes on."""
        document = (json.dumps(_transition_document(transition, url), ensure_ascii=False) + "\n").encode()
        problems = [
            None if self.webhook is None else _post(self.webhook, document),
            None if self.command is None else _start(self.command, document),
        ]
        return [problem for problem in problems if problem is not None]


def _post(address: str, document: bytes) -> str | None:
    """Calls the webhook. Its address is a secret with most services, so it is not repeated."""
    try:
        headers = {"content-type": "application/json"}
        # What it answers beside its status is nobody's business, and may be long.
        with (
            limit(httpx.Client(timeout=_SILENCE_S)) as http,
            bounded(SHORT_ANSWER),
            http.stream("POST", address, content=document, headers=headers) as answer,
        ):
            status = answer.status_code
    except BoundsError as error:
        return f"the webhook was called, but its answer {error}"
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the webhook could not be reached ({type(error).__name__})"
    return f"the webhook answered {status}" if status >= 400 else None


def _start(command: str, document: bytes) -> str | None:
    try:
        # The command is the user's own, and no shell reads it. What it prints goes to standard error: standard
        # output is for passes.
        ended = subprocess.run(  # noqa: S603
            shlex.split(command), input=document, stdout=2, timeout=_COMMAND_TIMEOUT_S, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return f"the alert command could not be run: {error}"
    return f"the alert command ended with {ended.returncode}" if ended.returncode else None


def transition_text(transition: AlertTransition, url: str) -> str:
    """Says in one sentence what turned."""
    if transition.kind == "broken":
        return f"{url} breaks the rule `{transition.rule}`: {transition.detail}"
    since = f" after {(transition.at - transition.since).total_seconds():.0f} s" if transition.since is not None else ""
    return f"{url} keeps the rule `{transition.rule}` again{since}"


def _transition_document(transition: AlertTransition, url: str) -> dict[str, object]:
    return {
        "text": transition_text(transition, url),
        "url": url,
        "rule": transition.rule,
        "state": transition.kind,
        "detail": transition.detail,
        "at": transition.at.isoformat(timespec="seconds"),
        "broken_since": None if transition.since is None else transition.since.isoformat(timespec="seconds"),
    }
