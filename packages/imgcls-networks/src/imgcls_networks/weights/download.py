"""Fetches a file once: cached, resumed after a break, checked against its SHA-256, with progress."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import httpx
from imgcls_cli.progress import Progress
from imgcls_contract.bounds import WEIGHTS, BoundsError, bounded, limit
from imgcls_core.cache_folder import cache_folder
from imgcls_core.checksum import file_sha256

from imgcls_networks.errors import DownloadError
from imgcls_networks.exception_text import one_line
from imgcls_networks.weights.source import WeightsSource

_TRIES_PER_SOURCE: Final = 3
_OK, _PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 200, 206, 416
_TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)  # seconds, for each address of a host; 20: the longest silence


def fetch(sources: Sequence[WeightsSource], *, what: str, progress: Progress, folder: Path | None = None) -> Path:
    """Gives the local copy of a file, downloading it when it is not there yet.

    Args:
        sources: tried in order; any that gives the right bytes will do.
        what: the file, as a user calls it.
        progress: shown the progress.
        folder: where files are kept; None means `cache_folder() / "weights"`.

    Returns:
        A path whose content has the SHA-256 that its source names.

    Raises:
        DownloadError: no source gave it; it says what each one did.
    """
    folder = folder or cache_folder() / "weights"
    attempts: list[str] = []
    for source in sources:
        target = folder / _file_name(source)
        if target.is_file() and _matches(target, source):
            return target
        try:
            folder.mkdir(parents=True, exist_ok=True)
            failure = _download(source, target, what, progress)
        except OSError as error:
            failure = f"the file cannot be kept in {folder} ({error.strerror or error})"
        if failure is None:
            return target
        attempts.append(f"{source.url} ({failure})")
    raise DownloadError(what, attempts)


def _download(source: WeightsSource, target: Path, what: str, progress: Progress) -> str | None:
    """Downloads one source into `target`; gives the reason when it cannot.

    What broke off is resumed. A try that brought nothing is the last one: a name that cannot be resolved or a host
    that does not answer will not do so a moment later, and a user waits for the sentence that says so.
    """
    part = target.with_name(f"{target.name}.part")
    failure = "no try was made"
    try:
        client = limit(httpx.Client(timeout=_TIMEOUT, follow_redirects=True))
    except (ValueError, ImportError) as error:  # read from the environment
        return f"the proxy settings of this machine cannot be used: {one_line(error)}"
    with client, progress.transfer(f"Downloading {what} from {httpx.URL(source.url).host}") as bar:
        for _ in range(_TRIES_PER_SOURCE):
            have, arrived = part.stat().st_size if part.exists() else 0, 0
            headers = {"Range": f"bytes={have}-"} if have else {}
            try:
                with bounded(WEIGHTS), client.stream("GET", source.url, headers=headers) as response:
                    if response.status_code == _RANGE_NOT_SATISFIABLE:
                        part.unlink(missing_ok=True)  # longer than the file: not ours, start again
                        failure = "the server refused to resume"
                        continue
                    if response.status_code not in {_OK, _PARTIAL_CONTENT}:
                        return f"HTTP {response.status_code} {response.reason_phrase}".strip()
                    resumed = response.status_code == _PARTIAL_CONTENT
                    done = have if resumed else 0
                    length = response.headers.get("Content-Length")
                    total = done + int(length) if length else None
                    with part.open("ab" if resumed else "wb") as file:
                        for chunk in response.iter_bytes():
                            file.write(chunk)
                            arrived += len(chunk)
                            bar.update(done + arrived, total)
            except (BoundsError, httpx.HTTPError, httpx.InvalidURL) as error:
                failure = _reason(error)
                if not arrived or isinstance(error, BoundsError):
                    return failure
                continue
            if _matches(part, source):
                part.replace(target)
                return None
            found = file_sha256(part)
            part.unlink()
            return f"it served another file: SHA-256 {found[:16]}…, expected {(source.sha256 or '')[:16]}…"
    return failure


def _reason(error: Exception) -> str:
    if isinstance(error, BoundsError):
        return f"its answer {error}"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _file_name(source: WeightsSource) -> str:
    """Gives the name in the cache: the URL's own, after a hash of what identifies the content."""
    name = Path(httpx.URL(source.url).path).name or "weights"
    identity = source.sha256 or hashlib.sha256(source.url.encode()).hexdigest()
    return f"{identity[:8]}-{name}"


def _matches(path: Path, source: WeightsSource) -> bool:
    return source.sha256 is None or file_sha256(path).startswith(source.sha256)
