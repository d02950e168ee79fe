"""Where a file of weights can be had."""

from __future__ import annotations

from dataclasses import dataclass


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
