"""Several workers of one command, forked when everything is imported: why is said in docs/decisions/0022-one-import.md.

The first of them is the process that was started. The others do not outlive it, and it ends in order when one of them
does: whoever looks after the command then starts all of them again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from shared import cores, forking

_LATER_SECONDS: Final = 3.0
"""How much later than the first process the others may end: all are asked at the same time and have as long."""

_log = structlog.get_logger(__name__)


class Siblings:
    """The processes that were forked from this one: none in those."""

    def __init__(self, process_ids: Sequence[int] = ()) -> None:
        """Looks after the processes from now on."""
        self.died = False
        """Whether one of them ended other than by being asked to."""
        self._alive = set(process_ids)
        self._asked = threading.Event()
        for process_id in process_ids:
            threading.Thread(target=self._await, args=(process_id,), daemon=True).start()

    def ask(self, number: signal.Signals) -> None:
        """Asks them to end. Safe in a handler of signals."""
        self._asked.set()
        for process_id in tuple(self._alive):
            with suppress(ProcessLookupError):
                os.kill(process_id, number)

    def end(self) -> None:
        """Returns when none is left, by force if need be."""
        self.ask(signal.SIGTERM)
        until = time.monotonic() + _LATER_SECONDS
        while self._alive and time.monotonic() < until:
            time.sleep(0.02)
        self.ask(signal.SIGKILL)
        while self._alive:
            time.sleep(0.02)

    def _await(self, process_id: int) -> None:
        _, status = os.waitpid(process_id, 0)
        self._alive.discard(process_id)
        code = os.waitstatus_to_exitcode(status)
        if not self._asked.is_set():
            self.died = self.died or code != 0
            _log.error("worker_process_ended", process=process_id, status=code)
            os.kill(os.getpid(), signal.SIGTERM)


def forked(processes: int) -> Siblings:
    """Makes so many processes of this one, and returns in each. There must be no thread and no connection yet."""
    forking.share_what_is_there()
    first_ended, first_lives = os.pipe()
    born = []
    for number in range(1, processes):
        if (child := os.fork()) == 0:
            cores.keep_to_one(number, processes)
            os.close(first_lives)
            threading.Thread(target=_end_with_the_first, args=(first_ended,), daemon=True).start()
            return Siblings()
        born.append(child)
    os.close(first_ended)
    cores.keep_to_one(0, processes)
    return Siblings(born)


def _end_with_the_first(first_ended: int) -> None:
    # Nobody writes: it returns when the kernel closes the other end, however the first process came to its end.
    os.read(first_ended, 1)
    os.kill(os.getpid(), signal.SIGTERM)
