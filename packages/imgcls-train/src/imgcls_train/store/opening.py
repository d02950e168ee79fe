"""Opens a model store by its URL: a folder, or an object store with the library that its kind needs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from imgcls_cli.object_stores import object_store
from imgcls_networks.errors import RequestError

from imgcls_train.store.files import StoreFiles
from imgcls_train.store.local_files import LocalFiles
from imgcls_train.store.object_files import ObjectFiles

_KINDS: Final = ("s3", "gs", "az")  # "memory" is for tests


def open_files(url: str) -> StoreFiles:
    """Opens a store by its URL.

    Args:
        url: a folder, or `s3://`, `gs://`, `az://`, `memory://`; credentials come from the environment, as the
            backend reads them.

    Raises:
        RequestError: another kind of URL, or its backend is not installed or cannot be set up.
    """
    protocol, separator, rest = url.partition("://")
    if not separator:
        return LocalFiles(Path(url))
    if protocol in {"file", "local"}:
        return LocalFiles(Path(rest))
    if protocol not in {*_KINDS, "memory"} or not rest.strip("/") or "@" in rest.split("/")[0] or "::" in url:
        known = ", ".join(f"{name}://" for name in _KINDS)
        raise RequestError(
            f"A model store of the kind `{protocol}://` is not one that files are put into whole; allowed are a folder "
            f"and {known}, followed by a bucket. Credentials belong into the environment, not into the URL."
        )
    try:
        store = object_store(protocol)
    except ImportError as error:
        raise RequestError(
            f"The model store {url!r} needs a library that is not installed: `pip install 'imgcls-train[{protocol}]'`."
        ) from error
    except ValueError as error:
        raise RequestError(
            f"The model store {url!r} cannot be used: {error}. Account and credentials come from the environment."
        ) from error
    return ObjectFiles(url.rstrip("/"), store, rest.strip("/"))
