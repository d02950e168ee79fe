"""Call and test an imgcls deployment.

from imgcls_client import ImgclsClient

with ImgclsClient("http://127.0.0.1:8192") as client:
    print(client.predict("tench.jpg").label)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import imgcls_sdk
from imgcls_sdk import __all__ as __all__

if TYPE_CHECKING:
    from imgcls_sdk import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]


def __getattr__(name: str) -> object:
    # On first use: the commands live in this package too and must not pay for httpx to print their help.
    return getattr(imgcls_sdk, name)
