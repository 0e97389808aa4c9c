"""The worker's own clock: ends that the database has not taken yet, early briefs, the heartbeat of the claims."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.store import work
from worker import pipeline
from worker.hands import Hands
from worker.parts import Parts

TICK_SECONDS: Final = 0.4

_log = structlog.get_logger(__name__)


class Clock(threading.Thread):
    """Ticks from its start until it is `stopped`."""

    def __init__(self, hands: Hands, parts: Callable[[], Parts]) -> None:
        """`hands` holds this process's claims."""
        super().__init__(name="whydown-clock", daemon=True)
        self.stopped = threading.Event()
        self._hands = hands
        self._parts = parts

    def run(self) -> None:
        """The thread's life."""
        ticks = 0
        while not self.stopped.wait(TICK_SECONDS):
            ticks += 1
            self._hands.pay()
            try:
                pipeline.early_briefs(self._parts(), self._hands.held())
                if ticks % round(work.HEARTBEAT_SECONDS / TICK_SECONDS) == 0:
                    self._hands.renew(self._parts().database)
            except SQLAlchemyError as failure:
                _log.warning("clock_missed", reason=type(failure).__name__)
            except Exception:  # noqa: BLE001  the clock must go on whatever happened
                _log.exception("clock_missed")
