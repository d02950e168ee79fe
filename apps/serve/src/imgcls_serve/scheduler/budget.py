"""How many pixels may be decoded at a time by all threads together."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager


class PixelBudget:
    """Lets as many images be decoded at a time as have so many pixels together, and always one.

    Args:
        most: pixels.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Generator[None]:
        """Waits until there is room for an image of so many pixels, and holds it."""
        with self._changed:
            while self._held and self._held + pixels > self._most:
                self._changed.wait()
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()
