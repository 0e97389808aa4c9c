"""How many pushes a process makes at once: recipients that hang must not take the threads that investigate."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter, deque
from typing import Final

from shared.store.pushes import recipient_of

MOST_WAITING: Final = 1_000


def threads_for(investigations: int) -> int:
    """How many threads a worker needs that so many are left to investigations whatever recipients do."""
    return math.ceil(investigations * 4 / 3)


class Doors:
    """One for each recipient. Who finds no room is remembered, and called when somebody leaves; what is forgotten with
    the process is found by the reconciler.
    """

    def __init__(self, threads: int = 1) -> None:
        """`threads` are the worker's in all."""
        self.among(threads)
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()
        self._waiting: dict[str, deque[str]] = {}
        self._closed: dict[str, float] = {}

    def among(self, threads: int) -> None:
        """Takes a quarter of so many threads, and shares it among four recipients: those that answer within a moment
        never fill their part for long.
        """
        self.most = max(1, threads // 4)
        self.most_each = max(1, self.most // 4)

    def enter(self, work_id: str) -> bool:
        """Whether this push may be made now; then it has to `leave`."""
        recipient = _recipient(work_id)
        with self._lock:
            if self._closed.get(recipient, 0.0) > time.monotonic():
                return False  # the reconciler calls it
            self._closed.pop(recipient, None)
            if self._has_room(recipient):
                self._inside[recipient] += 1
                return True
            self._waiting.setdefault(recipient, deque(maxlen=MOST_WAITING)).append(work_id)
            return False

    def close(self, work_id: str, seconds: float) -> None:
        """The recipient asked to be left alone for so long: other pushes need not find that out one by one."""
        with self._lock:
            self._closed[_recipient(work_id)] = time.monotonic() + seconds

    def leave(self, work_id: str) -> tuple[str, ...]:
        """Makes room; gives who may come in for it."""
        recipient = _recipient(work_id)
        with self._lock:
            self._inside[recipient] -= 1
            if not self._inside[recipient]:
                del self._inside[recipient]
            # The recipient's own first; others too, that found everything full.
            for name in (recipient, *self._waiting):
                if (waiting := self._waiting.get(name)) and self._has_room(name):
                    called = waiting.popleft()
                    if not waiting:
                        del self._waiting[name]
                    return (called,)
            return ()

    def _has_room(self, recipient: str) -> bool:
        return self._inside[recipient] < self.most_each and self._inside.total() < self.most


def _recipient(work_id: str) -> str:
    """By the work's id, `<incident>.<attempt>.deliver.<subject>`."""
    return recipient_of(work_id.split(".", 3)[3])[0]
