"""The core that each of several processes runs on."""

from __future__ import annotations

import os


def keep_to_one(number: int, processes: int) -> None:
    """Call it in the process of that number, the first being 0, before its first thread. With at least one process for
    each core it stays on one; with fewer the kernel knows better, and so it does where there is one core or a system
    that does not let itself be told.

    Python runs one thread of a process at a time, so that a second core gains it nothing; but each time that one thread
    waits and another goes on, which a worker under load does thousands of times a second, the kernel would have to tell
    the other core, and both threads wait for the same lock (sched_setaffinity(2)).
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if processes >= len(cores) > 1:
        os.sched_setaffinity(0, {cores[number % len(cores)]})
