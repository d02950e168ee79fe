"""Cerebrium's REST API, as far as it tells how a deployment is doing.

Routes and fields are those that the platform's own command-line client uses (August 2026). Numbers come as strings as
often as not, and fields that are missing are taken as unknown: nothing here may fail because the platform grew.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeGuard

import httpx

from imgcls_client.cerebrium.address import CerebriumApp
from imgcls_client.errors import AccessDeniedError, NotFoundError, RefusedError, UnexpectedAnswerError, UnreachableError

__all__ = ["REST_URL", "AppState", "CerebriumApi", "Container", "Run"]

REST_URL = "https://rest.cerebrium.ai"
TIMEOUT_S = 20.0
# What may hold the entries of a listing, and the text of a log line.
LIST_FIELDS = ("items", "containers", "runs", "logs", "data")
TEXT_FIELDS = ("log", "message", "line", "content", "text")


@dataclass(frozen=True, slots=True)
class AppState:
    """What the platform says of an app; None where it does not say."""

    status: str
    min_replicas: int | None
    max_replicas: int | None


@dataclass(frozen=True, slots=True)
class Container:
    """One replica."""

    container_id: str
    state: str
    restarts: int
    is_terminating: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One request that the platform routed; times in milliseconds, None where it does not say."""

    run_id: str
    status_code: int | None
    container_id: str | None
    queue_ms: float | None
    runtime_ms: float | None


class CerebriumApi:
    """Asks the REST API about one app. Close it, or use it in a `with`.

    Args:
        app: Which one.
        token: A service-account token. Never shown.
        rest_url: Where the API is.
    """

    def __init__(self, app: CerebriumApp, token: str, *, rest_url: str = REST_URL) -> None:
        self.app = app
        self.rest_url = rest_url.rstrip("/")
        self._http = httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def state(self) -> AppState:
        """Ask how the app is."""
        document = self.get("")
        fields = document if is_object(document) else {}
        return AppState(
            status=str(first_of(fields, ("status", "appStatus")) or "unknown"),
            min_replicas=whole(first_of(fields, ("minReplicaCount", "minReplicas"))),
            max_replicas=whole(first_of(fields, ("maxReplicaCount", "maxReplicas"))),
        )

    def containers(self) -> list[Container]:
        """Ask for the replicas."""
        return [
            Container(
                container_id=str(first_of(entry, ("containerId", "id", "name")) or "?"),
                state=str(entry.get("containerState") or "unknown"),
                restarts=whole(entry.get("containerRestartCount")) or 0,
                is_terminating=entry.get("isTerminating") in {True, "true"},
            )
            for entry in entries(self.get("/containers"))
        ]

    def runs(self) -> list[Run]:
        """Ask for the recent requests."""
        return [
            Run(
                run_id=str(first_of(entry, ("runId", "id")) or "?"),
                status_code=whole(entry.get("statusCode")),
                container_id=None if entry.get("containerId") is None else str(entry["containerId"]),
                queue_ms=real(entry.get("queueTimeMs")),
                runtime_ms=real(entry.get("runtimeMs")),
            )
            for entry in entries(self.get("/runs"))
        ]

    def log_lines(self, *, page_size: int = 200) -> list[str]:
        """Ask for the latest lines of the log."""
        found = entries(self.get("/logs", {"pageSize": str(page_size), "direction": "backward"}))
        return [str(first_of(entry, TEXT_FIELDS) or "") for entry in found]

    def get(self, path: str, params: dict[str, str] | None = None) -> object:
        """Ask one route of the app; 204 means that there is nothing.

        Raises:
            UnreachableError: The API cannot be reached.
            AccessDeniedError: The token does not open it.
            RefusedError: It said no for another reason.
            UnexpectedAnswerError: The answer is not JSON.
        """
        where = f"{self.rest_url}/v2/projects/{self.app.project}/apps/{self.app.app_id}{path}"
        try:
            answer = self._http.get(where, params=params)
        except httpx.HTTPError as error:
            raise UnreachableError(self.rest_url, f"{type(error).__name__} of the platform's API") from error
        if answer.status_code == 204:
            return []
        if answer.status_code >= 400:
            raise refused(answer)
        try:
            return json.loads(answer.content)
        except ValueError as error:
            raise UnexpectedAnswerError("The platform's API did not answer JSON.", status=answer.status_code) from error


def refused(answer: httpx.Response) -> RefusedError:
    """Turn an error of the API into ours; 405 too means that the token is not accepted there."""
    try:
        document: object = json.loads(answer.content)
    except ValueError:
        document = {}
    said = str(document.get("message") or "") if is_object(document) else ""
    kinds: dict[int, type[RefusedError]] = {401: AccessDeniedError, 403: AccessDeniedError, 404: NotFoundError}
    kind = AccessDeniedError if answer.status_code == 405 else kinds.get(answer.status_code, RefusedError)
    return kind(status=answer.status_code, code="platform_refused", detail=said or "no reason given")


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Say whether a parsed value is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Say whether a parsed value is a JSON list."""
    return isinstance(value, list)


def entries(document: object) -> list[dict[str, object]]:
    """Give the objects of a listing, whatever its envelope."""
    if is_object(document):
        document = first_of(document, LIST_FIELDS)
    return [entry for entry in document if is_object(entry)] if is_list(document) else []


def first_of(fields: dict[str, object], names: Sequence[str]) -> object:
    """Give the first field that has a value."""
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def real(value: object) -> float | None:
    """Read a number that may be text."""
    try:
        return float(str(value)) if value is not None else None
    except ValueError:
        return None


def whole(value: object) -> int | None:
    """Read a whole number that may be text."""
    number = real(value)
    return None if number is None else int(number)
