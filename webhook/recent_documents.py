"""The documents that were made last: of many who ask for one incident at one moment, all get what was made for one."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

FRESH_SECONDS: Final = 2.0
"""For so long a document is given out again, if the incident has not changed meanwhile: only what it tells of others
(its place in the queue, related incidents) can be so old.
"""
MOST: Final = 64


@dataclass(frozen=True, slots=True)
class _Made:
    revision: int
    at: float
    document: str


class RecentDocuments:
    """Safe to share between threads."""

    def __init__(self) -> None:
        """Holds none yet."""
        self._lock = Lock()
        self._making = tuple(Lock() for _ in range(16))
        self._made: OrderedDict[str, _Made] = OrderedDict()

    def get(self, incident_id: str, revision: int, make: Callable[[], str]) -> str:
        """The document of an incident at a revision; made anew by `make` unless it was lately, by one of those who ask
        while the others wait for it.
        """
        known = self._lately(incident_id, revision)
        if known is not None:
            return known
        with self._making[hash(incident_id) % len(self._making)]:
            known = self._lately(incident_id, revision)
            return self._kept(incident_id, revision, make()) if known is None else known

    def _lately(self, incident_id: str, revision: int) -> str | None:
        with self._lock:
            made = self._made.get(incident_id)
        fresh = made and made.revision == revision and time.monotonic() - made.at < FRESH_SECONDS
        return made.document if made and fresh else None

    def _kept(self, incident_id: str, revision: int, document: str) -> str:
        with self._lock:
            self._made[incident_id] = _Made(revision, time.monotonic(), document)
            self._made.move_to_end(incident_id)
            while len(self._made) > MOST:
                self._made.popitem(last=False)
        return document
