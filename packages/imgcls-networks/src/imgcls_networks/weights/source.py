"""Where a file of weights can be had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imgcls_networks.errors import RequestError


@dataclass(frozen=True)
class WeightsSource:
    """Where a file can be had.

    Args:
        url: http or https.
        sha256: of the file, whole or its first hex digits as torchvision writes them into file names; None when
            nobody has pinned it.
    """

    url: str
    sha256: str | None = None

    @classmethod
    def parse(cls, url: str) -> WeightsSource:
        """Reads `URL` or `URL#sha256=HEX`, the form that pip uses."""
        address, _, fragment = url.partition("#")
        return cls(address, fragment.removeprefix("sha256=").lower() if fragment.startswith("sha256=") else None)


def parse_weights(text: str) -> Path | WeightsSource:
    """Reads what `--weights` names: a file or an address.

    Raises:
        RequestError: there is no such file.
    """
    if text.startswith(("http://", "https://")):
        return WeightsSource.parse(text)
    path = Path(text)
    if not path.is_file():
        raise RequestError(f"There is no checkpoint at {text!r}; `--weights` takes a file or a URL.")
    return path
