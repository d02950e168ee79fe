"""Keeps the C library from holding memory that nobody uses."""

from __future__ import annotations

import ctypes
import gc
import sys

# Of glibc's <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_OWN_PAGES_BYTES = 4_194_304
_KEPT_BYTES = 16_777_216


def tune_malloc() -> None:
    """Keeps what each image needs, gives the rest back. To be called before much is allocated.

    Blocks of 4 MB and more have pages of their own, which go back to the system when they are freed. Left alone,
    glibc raises this limit to 32 MB by itself, and images of all sizes from several threads then leave holes that
    stay.

    Up to 16 MB of free memory stay with each thread's part of the heap. glibc's own 128 KB are less than one decoded
    photo: each image then returned its pages and took new ones, 200 page faults and 3 % of the time of a small
    network (`benchmarks/serve`).
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES_BYTES)
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def give_memory_back() -> None:
    """Collects what is unreachable and lets the C library return free pages; some milliseconds.

    glibc keeps freed memory for each thread that allocated it. Without this a hundred reloads of a 14 MB network
    grew the process from 0.2 to 0.9 GB.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
