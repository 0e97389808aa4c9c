"""The claims that this process holds: a heartbeat renews them, a stop hands them back, and what the database could not
take of their ends is kept until it can.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.database import Database, is_away
from shared.store import work
from shared.store.work import Claim, Fenced

_log = structlog.get_logger(__name__)


End = Callable[[], object]
"""Writes how a claim ended. May raise SQLAlchemyError when the database is away, and Fenced when the claim was lost."""


class Hands:
    """What this process has in hand. Claims past their time limit are not renewed, so that others may take them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, tuple[Claim, float]] = {}
        self._owed: deque[End] = deque()

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

    def owe(self, end: End) -> None:
        """Writes the end of a claim, now or as soon as the database is back: until then the work would wait for its
        lease, and a reason would be lost.
        """
        self._owed.append(end)
        self.pay()

    def pay(self) -> None:
        """Writes what is owed, as far as the database takes it. Never raises."""
        for _ in range(len(self._owed)):
            try:
                end = self._owed.popleft()
            except IndexError:  # another thread pays too
                return
            try:
                end()
            except Fenced:
                _log.info("fenced")  # whoever took it over ends it
            except Exception as failure:  # noqa: BLE001  whatever it is, the worker's clock must go on
                if is_away(failure):
                    _log.warning("owed_to_the_database", reason=type(failure).__name__)
                    self._owed.append(end)
                    return
                _log.exception("end_not_written")  # nor will it be: the lease runs out instead

    def let_go(self, database: Database) -> int:
        """Hands everything back, to be taken up by others at once; gives how much there was."""
        self.pay()
        with self._lock:
            claims = [claim for claim, _ in self._held.values()]
            self._held.clear()
        for claim in claims:
            try:
                work.hand_back(database, claim, timedelta(0), "handed back: its worker stopped", counts=False)
            except SQLAlchemyError:
                _log.warning("hand_back_failed", work=claim.work_id)  # its lease will run out instead
        return len(claims)
