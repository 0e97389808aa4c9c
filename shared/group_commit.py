"""Group commit: what several threads want to write at the same moment is committed together, by one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass
class _Submitted(Generic[Item, Result]):
    item: Item
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held until the result is there, or until it falls to this thread to commit."""
    results: list[Result] = field(default_factory=list)
    """The one result, once there is one."""
    failure: BaseException | None = None

    def result(self) -> Result:
        if self.failure is not None:
            raise self.failure
        return self.results[0]


class GroupCommit(Generic[Item, Result]):
    """Whoever comes while nobody commits does so at once, for itself alone; whoever comes meanwhile waits, and the
    first of those commits for all of them. So nobody waits for others to come, and each for two commits at most.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]]) -> None:
        """`commit` gives a result for each item, in order, or raises for all of them."""
        self._commit = commit
        self._lock = threading.Lock()
        self._waiting: list[_Submitted[Item, Result]] = []
        self._busy = False

    def submit(self, item: Item) -> Result:
        """The item's result, once it is committed. Raises what the commit raised."""
        mine: _Submitted[Item, Result] = _Submitted(item)
        mine.turn.acquire()
        with self._lock:
            self._waiting.append(mine)
            leads, self._busy = not self._busy, True
        if not leads:
            mine.turn.acquire()
        if not mine.results and mine.failure is None:
            self._lead()
        return mine.result()

    def _lead(self) -> None:
        with self._lock:
            together, self._waiting = self._waiting, []
        try:
            results = self._commit([each.item for each in together])
            for each, result in zip(together, results, strict=True):
                each.results.append(result)
        except BaseException as failure:  # noqa: BLE001  each of them is told
            for each in together:
                each.failure = failure
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._busy = following is not None
        for each in together:
            each.turn.release()
        if following is not None:
            following.turn.release()
