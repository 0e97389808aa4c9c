"""Admission as one worker process asks for it: together, and ten times a second at most."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

PAUSE_SECONDS: Final = 0.1
"""From one admission to the next: each looks at all that wait. A place stays empty for half of it, on the average."""

MANY: Final = 16
"""So many admitted at once were a line: who joined it meanwhile was called by nobody (`webhook.summons`)."""


class Admitting:
    """One thread of the process sees to it, once more for all who ask meanwhile. In a storm each would keep a
    connection and wait with it for admission's lock, until there were none left for work that has begun.
    """

    def __init__(self, admit: Callable[[], tuple[str, ...]], publish: Callable[[Sequence[str]], None]) -> None:
        """`admit` lets those begin whose turn has come, and gives their work's ids, which are to be published."""
        self._admit = admit
        self._publish = publish
        self._busy = threading.Lock()
        self._wanted = threading.Event()
        self._next = 0.0

    def ask(self, mine: str = "") -> bool:
        """Lets those begin whose turn has come. Says whether `mine` is one of them and was not published. Raises what
        the database raises.
        """
        turns: tuple[str, ...] = ()
        self._wanted.set()
        while self._wanted.is_set() and self._busy.acquire(blocking=False):
            try:
                self._publish(turns)  # whoever sees to it once more is not the one to begin with its own
                turns = ()
                time.sleep(max(0.0, self._next - time.monotonic()))
                self._wanted.clear()
                turns = self._admit()
                if len(turns) >= MANY:
                    self._wanted.set()
                self._next = time.monotonic() + PAUSE_SECONDS
            finally:
                self._busy.release()
        self._publish([work_id for work_id in turns if work_id != mine])
        return mine in turns
