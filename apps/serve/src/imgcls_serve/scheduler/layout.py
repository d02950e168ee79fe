"""How many threads do what, and how large batches may be; one setting, a default by provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# On a GPU throughput grows up to batches of about this size for ImageNet networks; a free choice elsewhere.
WIDE_MAX_BATCH = 32

# Single-threaded inferences of larger batches lose the cache: a forced batch of 32 answered 2.7 times fewer images.
_PARALLEL_MOST = 4

_MOST_ISOLATED = 4


@dataclass(frozen=True)
class ThreadLayout:
    """Which threads the scheduler starts.

    Args:
        name: "parallel" or "wide".
        all_round: threads that decode and infer.
        decoders: threads that only decode.
        runners: threads that only infer.
        max_batch: most images in one inference.
        max_wait_ms: how long an inference may wait for its batch to fill, in ms.
        isolated: processes that decode what is not ordinary, each with a thread that waits for it; 0 decodes all alike.
    """

    name: Literal["parallel", "wide"]
    all_round: int
    decoders: int
    runners: int
    max_batch: int
    max_wait_ms: float
    isolated: int = 0

    @property
    def workers(self) -> int:
        """Threads that share the work on ordinary images."""
        return self.all_round + self.decoders + self.runners


def choose_layout(
    requested: str,
    *,
    provider: str,
    cpus: int,
    max_batch: int = 0,
    max_wait_ms: float = 0.0,
    most_isolated: int = _MOST_ISOLATED,
) -> ThreadLayout:
    """Gives the layout for a machine.

    On a CPU one single-threaded inference per core is best: two callers with one thread each answered 395 img/s
    where one caller with two threads answered 340, and batches lose cache. Each thread then decodes and infers, so
    that no more threads run than there are cores and an image's pixels stay in the cache of theirs. A GPU wants the
    opposite: one caller, large batches, decoders that keep it fed.

    Args:
        requested: "auto", "parallel" or "wide".
        provider: "cuda", or another, which is on the CPU.
        cpus: processors that this process may use.
        max_batch: 0 for the layout's own; "parallel" on a CPU takes no more than 4.
        max_wait_ms: see `ThreadLayout`.
        most_isolated: processes for what is not ordinary that memory allows; there is one in any case.
    """
    isolated = max(1, min(_MOST_ISOLATED, cpus // 2, most_isolated))
    if requested == "parallel" or (requested == "auto" and provider != "cuda"):
        most = min(max_batch, _PARALLEL_MOST) if provider != "cuda" else max_batch
        return ThreadLayout("parallel", cpus, 0, 0, most or 1, max_wait_ms, isolated)
    return ThreadLayout("wide", 0, cpus, 1, max_batch or WIDE_MAX_BATCH, max_wait_ms, isolated)
