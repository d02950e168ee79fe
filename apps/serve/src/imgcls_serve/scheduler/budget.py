"""How many pixels may be decoded at a time by all threads together."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from imgcls_serve.scheduler.held_bytes import CommonCount

# Another process tells nobody when it has done with its pixels.
_LOOK_S: Final = 0.005


class PixelBudget:
    """Lets as many images be decoded at a time as have so many pixels together, and always one.

    Args:
        most: pixels.
        shared: those of all processes together.
    """

    def __init__(self, most: int, shared: CommonCount | None = None) -> None:
        self._most = most
        self._shared = shared
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Generator[None]:
        """Waits until there is room for an image of so many pixels, and holds it."""
        with self._changed:
            while not self._claims(pixels):
                self._changed.wait(_LOOK_S if self._shared is not None else None)
        try:
            yield
        finally:
            with self._changed:
                self._set(self._held - pixels)
                self._changed.notify_all()

    def _claims(self, pixels: int) -> bool:
        """Takes them if there is room; of two processes that claim at once, both may wait for a moment."""
        if self._held and self._held + pixels > self._most:
            return False
        self._set(self._held + pixels)
        others = self._shared.others if self._shared is not None else 0
        if others and self._held + others > self._most:
            self._set(self._held - pixels)
            return False
        return True

    def _set(self, held: int) -> None:
        self._held = held
        if self._shared is not None:
            self._shared.set(held)
