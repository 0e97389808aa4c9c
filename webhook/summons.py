"""Who is called when work comes in: nobody for an attempt that joins a long line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from shared.database import Database
from shared.store import admission
from shared.task_queue import kind_of

LONG: Final = 32
"""So many that wait are a line; fewer in a second are not worth a look."""

LOOK_SECONDS: Final = 0.1
"""How long what was seen of the line counts: no longer than until a worker that admits many looks again
(`worker.admitting`).
"""


class Summons:
    """Publishes work from one thread, but for attempts whose turn is far: whoever took their message up would find that
    they wait. They are published when they are admitted.
    """

    def __init__(self, database: Database, publish: Callable[[Sequence[str]], None]) -> None:
        """`publish` tells the workers."""
        self._database = database
        self._publish = publish
        self._since = 0.0
        self._came = 0
        self._looked = float("-inf")
        self._in_line = False

    def __call__(self, work_ids: Sequence[str]) -> None:
        """Tells the workers, unless there is nothing to begin with."""
        begin = [work_id for work_id in work_ids if kind_of(work_id) == "investigate"]
        far = begin[self._before(len(begin)) :] if begin else []
        self._publish([work_id for work_id in work_ids if work_id not in far])

    def _before(self, come: int) -> int:
        """How many of so many that come are published. One is for each look, for the case that nobody else calls the
        workers.
        """
        moment = time.monotonic()
        if moment - self._since > 1.0:
            self._since, self._came = moment, 0
        self._came += come
        if self._came <= LONG and not self._in_line:
            return come
        looks = moment - self._looked >= LOOK_SECONDS
        if looks:
            self._looked, self._in_line = moment, self._long()
        return looks if self._in_line else come

    def _long(self) -> bool:
        try:
            return admission.in_line(self._database, LONG) >= LONG
        except SQLAlchemyError:
            return False  # a message too many is harmless
