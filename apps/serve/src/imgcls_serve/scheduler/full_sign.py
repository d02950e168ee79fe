"""Whether so much waits that a balancer should send images elsewhere."""

from __future__ import annotations


class FullSign:
    """Goes up when much waits, and down again when half of that is done, so that it does not flicker.

    Args:
        images: pending images from which it is up; 0 never.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._is_up = False

    def is_up(self, pending: int) -> bool:
        """Says whether it is up with so many images pending."""
        if self._images:
            self._is_up = pending > self._images // 2 if self._is_up else pending >= self._images
        return self._is_up
