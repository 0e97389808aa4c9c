"""How many pushes a process makes at once: recipients that hang must not take the threads that investigate."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import Final

from shared.store.pushes import recipient_of

EACH: Final = 6
"""Pushes to one recipient at once: those that answer within a moment never fill it for long."""
ALL: Final = 24
"""Pushes at once: the default of WHYDOWN_WORKER_CONCURRENCY leaves more than half of the threads to investigations."""
MOST_WAITING: Final = 1_000


class Doors:
    """One for each recipient. Who finds no room is remembered, and called when somebody leaves; what is forgotten with
    the process is found by the reconciler.
    """

    def __init__(self) -> None:
        """Everybody may come in."""
        self._lock = threading.Lock()
        self._inside: Counter[str] = Counter()
        self._waiting: dict[str, deque[str]] = {}

    def enter(self, work_id: str) -> bool:
        """Whether this push may be made now; then it has to `leave`."""
        recipient = _recipient(work_id)
        with self._lock:
            if self._has_room(recipient):
                self._inside[recipient] += 1
                return True
            self._waiting.setdefault(recipient, deque(maxlen=MOST_WAITING)).append(work_id)
            return False

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
        return self._inside[recipient] < EACH and self._inside.total() < ALL


def _recipient(work_id: str) -> str:
    """By the work's id, `<incident>.<attempt>.deliver.<subject>`."""
    return recipient_of(work_id.split(".", 3)[3])[0]
