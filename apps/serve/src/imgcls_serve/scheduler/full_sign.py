"""Whether so much waits that a balancer should send images elsewhere."""

from __future__ import annotations

import math


class FullSign:
    """Goes up when much waits, and down again when half of that is done, so that it does not flicker.

    Args:
        share: of the queue, from which it is up; 0 never.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._is_up = False

    def is_up(self, pending: int, queue_size: int) -> bool:
        """Says whether it is up with so many images pending, of at most so many."""
        if images := math.ceil(self._share * queue_size):
            self._is_up = pending > images // 2 if self._is_up else pending >= images
        return self._is_up
