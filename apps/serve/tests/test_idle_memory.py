"""Memory goes back to the system when a busy time is over, once, and not during it."""

from __future__ import annotations

import asyncio

from imgcls_serve.observing.idle_memory import give_back_when_idle


async def _run(taken: list[int], pending: list[int], *, looks: int) -> list[int]:
    """Runs for so many looks; gives the looks (from 0) after which memory was given back.

    Args:
        taken: images taken by each look, the last one stays.
        pending: images in work at each look, the last one stays.
        looks: how often is looked.
    """
    look, given_back = -1, []
    done = asyncio.Event()

    def submitted() -> int:
        nonlocal look
        look += 1
        if look == looks:
            done.set()
        return taken[min(look, len(taken) - 1)]

    task = asyncio.create_task(
        give_back_when_idle(
            submitted,
            lambda: pending[min(look, len(pending) - 1)],
            lambda: given_back.append(look),
            idle_s=0,
        )
    )
    await done.wait()
    task.cancel()
    return given_back


def test_memory_is_given_back_once_after_a_busy_time() -> None:
    assert asyncio.run(_run([0, 10, 20, 20, 20, 20], [0], looks=8)) == [3]


def test_every_busy_time_has_its_end() -> None:
    assert asyncio.run(_run([0, 10, 10, 10, 30, 30, 30], [0], looks=9)) == [2, 5]


def test_nothing_is_given_back_while_images_are_in_work_or_where_none_came() -> None:
    assert asyncio.run(_run([0, 10, 10, 10, 10], [0, 1, 1, 1, 0], looks=6)) == [4]
    assert asyncio.run(_run([0], [0], looks=5)) == []
