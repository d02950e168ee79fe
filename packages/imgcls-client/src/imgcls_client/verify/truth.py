"""What the right answers are, where the user has the artifact; `verify.artifact` needs the extra `verify`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from imgcls_contract import GoldenReply


class Truth(Protocol):
    """The user's own artifact, which answers here as the deployment must there."""

    @property
    def golden(self) -> GoldenReply:
        """The artifact's golden cases."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its classes, in order."""
        ...

    @property
    def sha256(self) -> str:
        """The hash of the file."""
        ...

    @property
    def sealed(self) -> str:
        """Says in a few words whether the file is as it was written."""
        ...

    def vector(self, encoded: bytes) -> list[float]:
        """Answers an encoded image, decoded by Pillow."""
        ...

    def large_images(self) -> Iterator[tuple[str, bytes]]:
        """Makes images of the sizes that cameras make."""
        ...

    def drawn_images(self, seed: int) -> Iterator[tuple[str, bytes]]:
        """Draws images that nobody has seen: crops of golden ones and generated ones in many sizes and formats."""
        ...
