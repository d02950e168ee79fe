"""Gives memory back when a busy time is over; during it freed blocks are kept, being needed again at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

# Long enough that a pause between two bursts is no end, short enough that a scrape of the memory shows what is used.
IDLE_S: Final = 5.0


async def give_back_when_idle(
    submitted: Callable[[], int], pending: Callable[[], int], give_back: Callable[[], None], *, idle_s: float = IDLE_S
) -> None:
    """Calls `give_back` once after every busy time, on a thread; runs until it is cancelled.

    Args:
        submitted: images taken since the start.
        pending: images that wait or are worked on.
        give_back: returns free memory to the system.
        idle_s: how long nothing must have come.
    """
    seen = given_back_at = submitted()
    while True:
        await asyncio.sleep(idle_s)
        before, seen = seen, submitted()
        if seen == before != given_back_at and not pending():
            given_back_at = seen
            await asyncio.to_thread(give_back)
