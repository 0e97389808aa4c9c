"""The claims that this process holds: a heartbeat renews them, and a stop hands them back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.database import Database
from shared.store import work
from shared.store.work import Claim

_log = structlog.get_logger(__name__)


class Hands:
    """What this process has in hand. Claims past their time limit are not renewed, so that others may take them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Claim, float]] = {}

    @contextmanager
    def holding(self, claim: Claim, seconds: float) -> Iterator[None]:
        """The claim is renewed inside this block, for at most `seconds`."""
        with self._lock:
            self._held[claim.work_id] = (claim, time.monotonic() + seconds)
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(claim.work_id, None)

    def held(self) -> list[Claim]:
        """The claims that are within their time limit."""
        moment = time.monotonic()
        with self._lock:
            return [claim for claim, until in self._held.values() if moment < until]

    def renew(self, database: Database) -> None:
        """One heartbeat."""
        if claims := self.held():
            work.renew(database, claims)

    def let_go(self, database: Database) -> int:
        """Hands everything back, to be taken up by others at once; gives how much there was."""
        with self._lock:
            claims = [claim for claim, _ in self._held.values()]
            self._held.clear()
        for claim in claims:
            try:
                work.hand_back(database, claim, timedelta(0), "handed back: its worker stopped", counts=False)
            except SQLAlchemyError:
                _log.warning("hand_back_failed", work=claim.work_id)  # its lease will run out instead
        return len(claims)
