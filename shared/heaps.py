"""The heaps that the C library keeps for a process of many threads."""

from __future__ import annotations

import ctypes
from typing import Final

_SETTINGS: Final = ((-8, 2), (-3, 64 * 1024), (-1, 128 * 1024))
"""M_ARENA_MAX, M_MMAP_THRESHOLD and M_TRIM_THRESHOLD by their numbers in glibc's malloc.h, and what they are set to."""


def bound() -> None:
    """Call it before the first thread. Where the C library is another there is nothing to bound.

    glibc gives nearly every thread a heap of its own, so that what one freed is of no use to others, and keeps more of
    what is freed the more was asked for at once (mallopt(3)). Python's threads take turns anyway; and of the buffers of
    64 KB that they wait for answers with, what stays unused is then no memory.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for number, value in _SETTINGS:
            mallopt(number, value)
