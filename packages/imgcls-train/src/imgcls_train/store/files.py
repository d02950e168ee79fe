"""Files of a model store, wherever it is: whoever reads sees a file whole, as it was before or as it is after.

A local folder gets files by a rename; an object store (S3, Google Cloud Storage, Azure) shows an object only when all
of it has arrived. Knows nothing of models.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

import fsspec
from fsspec.callbacks import Callback
from imgcls_cli.files import replacing
from imgcls_networks.errors import RequestError

from imgcls_train.errors import StoreError

OnBytes = Callable[[int], None]

# Protocol → what installs it, and the errors of its libraries that are no OSError.
_OBJECT_STORES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "s3": ("imgcls-train[s3]", ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError")),
    "gs": ("imgcls-train[gs]", ("google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError")),
    "az": ("adlfs", ("azure.core.exceptions:AzureError",)),
    "memory": ("fsspec", ()),
}
_CHUNK_BYTES: Final = 4 << 20
# A part that nobody has written to for so long belongs to a publisher that was killed.
_ABANDONED_S: Final = 3600


class Sink(Protocol):
    """Takes bytes: an open file, or a hash."""

    def write(self, data: bytes, /) -> object:
        """Takes some."""
        ...


class StoreFiles(Protocol):
    """Where a store keeps its files; paths are relative to its root, with `/`.

    Every method raises StoreError when the store cannot be reached or refuses.
    """

    url: str

    def read(self, path: str) -> bytes | None:
        """Gives a small file; None when there is none."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Puts a small file in place, whole."""
        ...

    def upload(self, source: Path, path: str, on_bytes: OnBytes) -> None:
        """Puts a large file in place, whole."""
        ...

    def copy_to(self, path: str, target: Sink, on_bytes: OnBytes) -> str | None:
        """Writes a file's content out and gives its SHA-256; None when there is none."""
        ...

    def folders(self, path: str) -> list[str]:
        """Gives the names of the folders in a folder, sorted; none when it is not there."""
        ...

    def sweep(self, path: str) -> None:
        """Removes what killed publishers left in a folder."""
        ...


def open_files(url: str) -> StoreFiles:
    """Opens a store by its URL.

    Args:
        url: a folder, or `s3://`, `gs://`, `az://`, `memory://`; credentials come from the environment, as the
            backend reads them.

    Raises:
        RequestError: another kind of URL, or its backend is not installed.
        StoreError: the backend cannot be set up.
    """
    protocol, separator, rest = url.partition("://")
    if not separator:
        return LocalFiles(Path(url))
    if protocol in {"file", "local"}:
        return LocalFiles(Path(rest))
    if protocol not in _OBJECT_STORES or not rest.strip("/") or "@" in rest.split("/")[0] or "::" in url:
        known = ", ".join(f"{name}://" for name in _OBJECT_STORES if name != "memory")
        raise RequestError(
            f"A model store of the kind `{protocol}://` is not one that files are put into whole; allowed are a folder "
            f"and {known}, followed by a bucket. Credentials belong into the environment, not into the URL."
        )
    package, names = _OBJECT_STORES[protocol]
    try:
        filesystem = fsspec.filesystem(protocol, use_listings_cache=False)
    except ImportError as error:
        raise RequestError(
            f"The model store {url!r} needs a library that is not installed: `pip install '{package}'`."
        ) from error
    errors = [OSError, *(_error_type(name) for name in names)]
    return ObjectFiles(url.rstrip("/"), filesystem, rest.strip("/"), tuple(errors))


def _error_type(name: str) -> type[Exception]:
    module, _, attribute = name.partition(":")
    return cast("type[Exception]", getattr(import_module(module), attribute))


class LocalFiles:
    """A store in a folder of this machine (or one that is mounted)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def read(self, path: str) -> bytes | None:
        """Gives a small file; None when there is none."""
        with _as_store_errors(self.url, (OSError,)):
            try:
                return (self.root / path).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def write(self, path: str, content: bytes) -> None:
        """Puts a small file in place, whole."""
        with self.arriving(path) as file:
            file.write(content)

    def upload(self, source: Path, path: str, on_bytes: OnBytes) -> None:
        """Puts a large file in place, whole."""
        with self.arriving(path) as file, source.open("rb") as given:
            _pump(given, file, on_bytes)

    def copy_to(self, path: str, target: Sink, on_bytes: OnBytes) -> str | None:
        """Writes a file's content out and gives its SHA-256; None when there is none."""
        with _as_store_errors(self.url, (OSError,)):
            try:
                with (self.root / path).open("rb") as file:
                    return _pump(file, target, on_bytes)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def folders(self, path: str) -> list[str]:
        """Gives the names of the folders in a folder, sorted; none when it is not there."""
        with _as_store_errors(self.url, (OSError,)):
            folder = self.root / path
            return sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []

    def sweep(self, path: str) -> None:
        """Removes parts that nobody has written to for an hour."""
        with _as_store_errors(self.url, (OSError,)):
            for part in (self.root / path).rglob(".*.part"):
                # The clock that file times are from.
                if time.time() - part.stat().st_mtime > _ABANDONED_S:  # noqa: TID251
                    part.unlink(missing_ok=True)

    @contextmanager
    def arriving(self, path: str) -> Generator[BinaryIO]:
        """Opens a file that takes its place when the block ends, and is gone when it fails.

        Raises:
            StoreError: it cannot be written.
        """
        target = self.root / path
        with _as_store_errors(self.url, (OSError,)):
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target, durable=True) as file:
                yield file


class ObjectFiles:
    """A store in an object store, through fsspec."""

    def __init__(self, url: str, filesystem: Any, root: str, errors: tuple[type[Exception], ...]) -> None:  # noqa: ANN401 - fsspec is untyped
        self.url = url
        self._filesystem, self._root, self._errors = filesystem, root, errors

    def read(self, path: str) -> bytes | None:
        """Gives a small file; None when there is none."""
        with _as_store_errors(self.url, self._errors):
            try:
                return cast("bytes", self._filesystem.cat_file(self._at(path)))
            except FileNotFoundError:
                return None

    def write(self, path: str, content: bytes) -> None:
        """Puts a small file in place, whole."""
        with _as_store_errors(self.url, self._errors):
            self._filesystem.pipe_file(self._at(path), content)

    def upload(self, source: Path, path: str, on_bytes: OnBytes) -> None:
        """Puts a large file in place, whole."""
        with _as_store_errors(self.url, self._errors):
            self._filesystem.put_file(str(source), self._at(path), callback=_Told(on_bytes))

    def copy_to(self, path: str, target: Sink, on_bytes: OnBytes) -> str | None:
        """Writes a file's content out and gives its SHA-256; None when there is none."""
        with _as_store_errors(self.url, self._errors):
            try:
                with self._filesystem.open(self._at(path), "rb") as file:
                    return _pump(file, target, on_bytes)
            except FileNotFoundError:
                return None

    def folders(self, path: str) -> list[str]:
        """Gives the names of the folders in a folder, sorted; none when it is not there."""
        with _as_store_errors(self.url, self._errors):
            try:
                entries = self._filesystem.ls(self._at(path), detail=True)
            except FileNotFoundError:
                return []
        return sorted(entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory")

    def sweep(self, path: str) -> None:
        """Removes nothing: an object that has not arrived whole is none."""

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root


class _Told(Callback):
    """Passes fsspec's progress on."""

    def __init__(self, on_bytes: OnBytes) -> None:
        super().__init__()
        self._on_bytes = on_bytes

    def relative_update(self, inc: int = 1) -> None:
        self._on_bytes(inc)


def _pump(source: BinaryIO, target: Sink, on_bytes: OnBytes) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
        digest.update(chunk)
        on_bytes(len(chunk))
    return digest.hexdigest()


@contextmanager
def _as_store_errors(url: str, errors: tuple[type[Exception], ...]) -> Generator[None]:
    try:
        yield
    except errors as error:
        reason = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:300]
        raise StoreError(
            f"The model store {url!r} cannot be reached or refuses: {reason.rstrip('.')}. What it held is as it was."
        ) from error
