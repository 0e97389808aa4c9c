"""Lines that came twice: shipped by two collectors, or read from a file and its rotated copy."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from worker.inquiry import LogLine

MOST_REMEMBERED: Final = 50_000
"""Lines of which a repeat is known for one, when it comes within as many others."""
SHIPPED_TWICE: Final = 0.8
"""The share of a service's different lines that came again, from which its log was shipped twice."""
FEWEST: Final = 5


@dataclass(slots=True)
class _Log:
    """What is known of the lines of one service."""

    different: int = 0
    repeated: int = 0
    """Of those, how many came again."""
    repeats: int = 0


@dataclass(slots=True)
class Repeats:
    """Tells repeats of a line, of the same time and text, from lines that came as often as they did.

    Where times are told in parts of a second, the same time and text is the same line. Whole seconds hold many equal
    lines of a busy service: they are repeats only when nearly all of its lines came again.
    """

    _logs: dict[str, _Log] = field(default_factory=dict)
    _recent: dict[int, int] = field(default_factory=dict)
    _older: dict[int, int] = field(default_factory=dict)

    def again(self, line: LogLine) -> bool:
        """Notes a line, and tells whether the same came before."""
        if line.at is None:
            return False
        key = hash((line.service, line.at, line.text))
        before = self._recent.pop(key, 0) or self._older.pop(key, 0)
        if len(self._recent) >= MOST_REMEMBERED:
            self._recent, self._older = {}, self._recent
        self._recent[key] = before + 1
        log = self._logs.setdefault(line.service, _Log())
        log.different += before == 0
        log.repeated += before == 1
        log.repeats += before > 0
        return before > 0

    def are_shipped_twice(self, service: str) -> bool:
        """Whether nearly all lines of a service came again."""
        log = self._logs.get(service, _Log())
        return log.different >= FEWEST and log.repeated >= SHIPPED_TWICE * log.different


def surely_one(at: datetime | None) -> bool:
    """Whether equal lines of that time are one and the same."""
    return at is not None and at.microsecond != 0
