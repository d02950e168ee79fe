"""The scheduler that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from imgcls_core.cpus import allotted_cpus

from imgcls_serve.scheduler.admission import Elsewhere, QueueBounds
from imgcls_serve.scheduler.held_bytes import CommonCount
from imgcls_serve.scheduler.job import SchedulerObserver
from imgcls_serve.scheduler.layout import choose_layout
from imgcls_serve.scheduler.scheduler import Scheduler
from imgcls_serve.settings import Settings

# Images that may wait however slow the network is, for requests with a longer deadline than the default one.
_LEAST_QUEUE: Final = 128
_CHANNELS: Final = 3


def cpus_of(settings: Settings) -> int:
    """Gives how many processors this process of the service uses."""
    return max(1, (settings.threads or allotted_cpus()) // settings.workers)


def queue_bounds(settings: Settings, size: tuple[int, int] | None = None) -> QueueBounds:
    """Gives how many images may be accepted and unanswered.

    Args:
        settings: a queue size that was set rules.
        size: height and width in pixels of what the network takes. While they wait for it, such images take at most
            as much memory as all bodies may; None is not yet known.
    """
    if settings.queue_size:
        return QueueBounds(settings.queue_size, settings.queue_size, 0.0)
    least = max(_LEAST_QUEUE, settings.max_images)
    most = settings.max_inflight_bytes // (_CHANNELS * size[0] * size[1]) if size is not None else least
    return QueueBounds(least, most, settings.request_timeout_ms / 1000)


def scheduler_of(
    settings: Settings,
    *,
    provider: str,
    size: tuple[int, int],
    expected_s: float,
    observer: SchedulerObserver,
    on_death: Callable[[BaseException], None],
    elsewhere: Elsewhere | None = None,
    pixels: CommonCount | None = None,
) -> Scheduler:
    """Gives the scheduler, not yet started.

    Args:
        settings: of the service.
        provider: where the default model runs.
        size: see `queue_bounds`; of the default model.
        expected_s: how long an image has taken so far.
        observer: see `Scheduler`.
        on_death: likewise.
        elsewhere: what waits in other processes.
        pixels: what all processes decode.
    """
    layout = choose_layout(
        settings.thread_layout,
        provider=provider,
        cpus=cpus_of(settings),
        max_batch=settings.max_batch,
        max_wait_ms=settings.max_wait_ms,
        most_isolated=settings.max_decoding_pixels // 2 // settings.max_image_pixels // settings.workers,
    )
    return Scheduler(
        layout,
        queue_size=queue_bounds(settings, size),
        max_decoding_pixels=settings.max_decoding_pixels,
        observer=observer,
        on_death=on_death,
        expected_s=expected_s,
        elsewhere=elsewhere,
        pixels=pixels,
    )
