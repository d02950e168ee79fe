"""Cerebrium's REST API, as far as it tells how a deployment is doing.

Routes and fields are those that the platform's own command-line client uses (August 2026). Numbers come as strings as
often as not, and fields that are missing are taken as unknown: nothing here may fail because the platform grew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, cast

import httpx
import msgspec
from imgcls_contract.bounds import SHORT_ANSWER, BoundsError, bounded, limit

from imgcls_cerebrium.address import CerebriumApp
from imgcls_cerebrium.errors import PlatformApiError

REST_URL = "https://rest.cerebrium.ai"
_TIMEOUT_S = 20.0
# What may hold the entries of a listing, and the text of a log line.
_LISTS = ("items", "containers", "runs", "logs", "data")
_TEXTS = ("log", "message", "line", "content", "text")


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
    restarts: int
    is_terminating: bool


@dataclass(frozen=True, slots=True)
class PlatformRun:
    """One request that the platform routed; times in milliseconds, None where it does not say."""

    run_id: str
    status_code: int | None
    container_id: str | None
    queue_ms: float | None
    runtime_ms: float | None

    @property
    def is_failed(self) -> bool:
        """Whether it ended with a fault of the service or the platform."""
        return self.status_code is not None and self.status_code >= 500


class CerebriumApi:
    """Asks the REST API about one app. Close it, or use it in a `with`.

    Every question raises `PlatformApiError` where the API cannot be reached, says no, or does not answer JSON.

    Args:
        app: which one.
        token: a service-account token; never shown.
        rest_url: where the API is.
    """

    def __init__(self, app: CerebriumApp, token: str, *, rest_url: str = REST_URL) -> None:
        self._rest_url = rest_url.rstrip("/")
        self._app_url = f"{self._rest_url}/v2/projects/{app.project}/apps/{app.app_id}"
        self._http = limit(httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def state(self) -> AppState:
        """Asks how the app is."""
        fields = _object(self._get(""))
        return AppState(
            status=str(_first_of(fields, "status", "appStatus") or "unknown"),
            min_replicas=_whole(_first_of(fields, "minReplicaCount", "minReplicas")),
            max_replicas=_whole(_first_of(fields, "maxReplicaCount", "maxReplicas")),
        )

    def containers(self) -> list[Container]:
        """Asks for the replicas."""
        return [
            Container(
                container_id=str(_first_of(entry, "containerId", "id", "name") or "?"),
                restarts=_whole(entry.get("containerRestartCount")) or 0,
                is_terminating=entry.get("isTerminating") in {True, "true"},
            )
            for entry in self._list("/containers")
        ]

    def runs(self) -> list[PlatformRun]:
        """Asks for the recent requests."""
        return [
            PlatformRun(
                run_id=str(_first_of(entry, "runId", "id") or "?"),
                status_code=_whole(entry.get("statusCode")),
                container_id=None if entry.get("containerId") is None else str(entry["containerId"]),
                queue_ms=_real(entry.get("queueTimeMs")),
                runtime_ms=_real(entry.get("runtimeMs")),
            )
            for entry in self._list("/runs")
        ]

    def log_lines(self, *, page_size: int = 200) -> list[str]:
        """Asks for the latest lines of the log."""
        found = self._list("/logs", {"pageSize": str(page_size), "direction": "backward"})
        return [str(_first_of(entry, *_TEXTS) or "") for entry in found]

    def _list(self, path: str, params: dict[str, str] | None = None) -> list[dict[str, Any]]:
        """Gives the objects of a listing, whatever its envelope."""
        answer = self._get(path, params)
        found: object = _first_of(_object(answer), *_LISTS) if isinstance(answer, dict) else answer
        entries = cast("list[object]", found) if isinstance(found, list) else []
        return [_object(entry) for entry in entries if isinstance(entry, dict)]

    def _get(self, path: str, params: dict[str, str] | None = None) -> object:
        try:
            with bounded(SHORT_ANSWER):
                answer = self._http.get(self._app_url + path, params=params)
        except BoundsError as error:
            raise PlatformApiError(
                f"The platform's API at {self._rest_url} answers, but its answer {error}."
            ) from error
        except httpx.HTTPError as error:
            raise PlatformApiError(
                f"No answer from the platform's API at {self._rest_url} ({type(error).__name__})."
            ) from error
        if answer.status_code == 204:  # there is nothing
            return []
        try:
            document: object = msgspec.json.decode(answer.content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            document = None
            if answer.status_code < 400:
                raise PlatformApiError("The platform's API did not answer JSON.") from error
        if answer.status_code >= 400:
            said = _object(document).get("message")
            # 405, too, means that the token is not accepted there.
            whose = " (the token does not open it)" if answer.status_code in {401, 403, 405} else ""
            raise PlatformApiError(
                f"The platform's API answered {answer.status_code}{whose}: {said or 'no reason given'}."
            )
        return document


def _object(value: Any) -> dict[str, Any]:  # noqa: ANN401 - parsed JSON
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _first_of(fields: dict[str, Any], *names: str) -> Any:  # noqa: ANN401 - whatever JSON has
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _real(value: object) -> float | None:
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None


def _whole(value: object) -> int | None:
    number = _real(value)
    return None if number is None else int(number)
