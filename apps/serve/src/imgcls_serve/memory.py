"""Keeps the C library from holding memory that nobody uses."""

from __future__ import annotations

import ctypes
import gc
import sys

_M_MMAP_THRESHOLD = -3
_OWN_PAGES_BYTES = 4_194_304


def return_large_blocks() -> None:
    """Lets blocks of 4 MB and more have pages of their own, which go back to the system when they are freed.

    Left alone, glibc raises this limit to 32 MB by itself, and pictures of all sizes from several threads then leave
    holes that stay. To be called before much is allocated.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _OWN_PAGES_BYTES)


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
