"""What groups of processes take: processor time and resident memory."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

import psutil

_LOOK_SECONDS: Final = 2.0


def cpu_seconds(process_id: int) -> float:
    """Processor time of a process and its descendants, those that have ended included."""
    times = [each.cpu_times() for each in _family(process_id)]
    own = sum(time.user + time.system for time in times)
    return own + sum(time.children_user + time.children_system for time in times)


def resident_mb(process_id: int) -> float:
    """Resident memory of a process and its descendants in MB. What several processes share, as the code of libraries
    and what a fork left as it was, counts once (PSS): the sum over processes is what the machine needs for them.
    """
    return sum(_resident(each) for each in _family(process_id)) / 1e6


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0


def _family(process_id: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(process_id)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Watch:
    """Looks at groups of processes while the block lasts: a group is named after its first process."""

    def __init__(self, groups: Mapping[str, int]) -> None:
        self._groups = groups
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.cpu: dict[str, float] = {}
        """Seconds of processor time that each group took."""
        self.peak_mb: dict[str, float] = {}
        """Resident memory of each group when all of them together had most."""

    def __enter__(self) -> Self:
        self._before = {name: cpu_seconds(first) for name, first in self._groups.items()}
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.cpu = {name: cpu_seconds(first) - self._before[name] for name, first in self._groups.items()}

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            seen = {name: resident_mb(first) for name, first in self._groups.items()}
            if sum(seen.values()) > sum(self.peak_mb.values()):
                self.peak_mb = seen
