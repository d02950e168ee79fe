"""Opens a model store by its URL: a folder, or an object store with the library that its kind needs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final, cast

import fsspec
from imgcls_networks.errors import RequestError

from imgcls_train.store.files import StoreFiles
from imgcls_train.store.local_files import LocalFiles
from imgcls_train.store.object_files import ObjectFiles

# Protocol → what installs it, and the errors of its libraries that are no OSError.
_OBJECT_STORES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "s3": ("imgcls-train[s3]", ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError")),
    "gs": ("imgcls-train[gs]", ("google.auth.exceptions:GoogleAuthError", "aiohttp:ClientError")),
    "az": ("adlfs", ("azure.core.exceptions:AzureError",)),
    "memory": ("fsspec", ()),
}


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
    is_s3 = protocol == "s3"
    root = rest.strip("/")
    return ObjectFiles(url.rstrip("/"), filesystem, root, tuple(errors), has_conditional_writes=is_s3)


def _error_type(name: str) -> type[Exception]:
    module, _, attribute = name.partition(":")
    return cast("type[Exception]", getattr(import_module(module), attribute))
