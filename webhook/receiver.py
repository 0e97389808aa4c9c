"""What every route has at hand: the database, the queue, who may ask, and how many may wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, cast

from flask import current_app, request
from werkzeug.sansio.utils import get_current_url
from werkzeug.urls import iri_to_uri

from shared.database import Database
from shared.moment import Deadline
from shared.redaction.redactor import Redactor
from shared.store import reading
from shared.store.intake import Reception
from webhook.access import Guard
from webhook.recent_documents import RecentDocuments
from webhook.senders import Sender

EXTENSION: Final = "whydown"

_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Queue:
    """How workers are told of work."""

    publish: Callable[[Sequence[str]], None]
    """Best effort: bounded in time, never raises."""
    ping: Callable[[float], None]
    """Returns when the broker answers within so many seconds, raises when it does not."""


@dataclass(frozen=True)
class Receiver:
    """The parts of one receiver process."""

    database: Database
    queue: Queue
    guard: Guard
    senders: Mapping[str, Sender]
    reception: Reception
    redactor: Callable[[], Redactor]
    """Takes secrets out of what comes in. Needs the database once, for the key of the placeholders."""
    documents: RecentDocuments
    waiting: threading.BoundedSemaphore
    """Places for requests that wait for an investigation's end; the other threads stay free for alerts."""

    def base_url(self) -> str:
        """What links start with, a URI without a trailing slash. The Host header counts where nothing is configured."""
        own = self.guard.public_url
        return _uri(own) if own else _root(request.scheme, request.host)

    def incident_url(self, incident_id: str) -> str:
        """Address of an incident."""
        return f"{self.base_url()}/incidents/{incident_id}"

    def wait_for_end(self, incident_id: str, seconds: int) -> bool:
        """Waits until the incident is finished, at most so long; says whether there was a place to wait in.

        No database connection is held between two looks.
        """
        if not self.waiting.acquire(blocking=False):
            return False
        try:
            deadline = Deadline.after(seconds)
            while not self._finished(incident_id) and not deadline.passed():
                time.sleep(_POLL_SECONDS)
        finally:
            self.waiting.release()
        return True

    def _finished(self, incident_id: str) -> bool:
        revision = reading.revision(self.database, incident_id)
        return revision is None or revision.status.finished


@lru_cache(64)
def _root(scheme: str, host: str) -> str:
    return _uri(get_current_url(scheme, host))


@lru_cache(64)
def _uri(address: str) -> str:
    return iri_to_uri(address).rstrip("/")


def receiver() -> Receiver:
    """The receiver that the current request is for."""
    return cast("Receiver", current_app.extensions[EXTENSION])
