"""One signature while its lines are counted, in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from worker.log_text.masks import Value

MOST_VALUES: Final = 8
"""Variable parts of a signature that are told of."""
MOST_DISTINCT: Final = 16
"""Different values of one variable part that are told apart."""
EXAMPLE_LENGTH: Final = 1_000


@dataclass(slots=True)
class Often:
    """The most frequent of many values, by counting a few of them (Misra & Gries 1982, "Finding repeated elements").

    What makes up more than a seventeenth of all is never missed; its count is then short by a seventeenth at most.
    """

    counts: dict[str, int] = field(default_factory=dict)
    overflown: bool = False

    def add(self, value: str, times: int = 1) -> None:
        """Counts `value`."""
        if value in self.counts or len(self.counts) < MOST_DISTINCT:
            self.counts[value] = self.counts.get(value, 0) + times
            return
        self.overflown = True
        less = min(times, *self.counts.values())
        self.counts = {known: count - less for known, count in self.counts.items() if count > less}
        if times > less:
            self.counts[value] = times - less

    def join(self, other: Often) -> None:
        """Adds what another has counted."""
        for value, times in other.counts.items():
            self.add(value, times)
        self.overflown |= other.overflown

    @property
    def distinct(self) -> int:
        """How many there were; one more than are told apart when there were more."""
        return MOST_DISTINCT + 1 if self.overflown else len(self.counts)

    def top(self) -> tuple[str, int]:
        """The most frequent, and how often it came."""
        return max(self.counts.items(), key=lambda item: item[1], default=("", 0))


@dataclass(slots=True)
class Tally:
    """What is known of the lines of one template."""

    example: str = ""
    count: int = 0
    """In the incident's window, or without a time."""
    baseline: int = 0
    first: datetime | None = None
    last: datetime | None = None
    first_ever: datetime | None = None
    last_ever: datetime | None = None
    minutes: Counter[int] = field(default_factory=Counter)
    """By the minutes since the window before began, over both windows."""
    repeated: Counter[int | None] = field(default_factory=Counter)
    """Of those in `count`, how many were the same line again, by minute."""
    repeated_before: Counter[int | None] = field(default_factory=Counter)
    """Of those in `baseline`."""
    values: dict[str, Often] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    hosts: Often = field(default_factory=Often)

    def take(self, text: str, at: datetime | None, minute: int | None, *, current: bool) -> None:
        """Counts a line."""
        if minute is not None:
            self.minutes[minute] += 1
        if at is not None:
            self.first_ever = min(self.first_ever or at, at)
            self.last_ever = max(self.last_ever or at, at)
        if not current:
            self.baseline += 1
            self.example = self.example or text[:EXAMPLE_LENGTH]
            return
        if self.count == 0 or (at is not None and self.first is not None and at < self.first):
            self.example = text[:EXAMPLE_LENGTH]
        self.count += 1
        if at is not None:
            self.first = min(self.first or at, at)
            self.last = max(self.last or at, at)

    def repeat(self, minute: int | None, *, current: bool) -> None:
        """Notes that the line taken last was the same as one before."""
        (self.repeated if current else self.repeated_before)[minute] += 1

    def without_repeats(self) -> int:
        """Counts every line once; how many were taken out."""
        self.count -= self.repeated.total()
        self.baseline -= self.repeated_before.total()
        for minute, times in (*self.repeated.items(), *self.repeated_before.items()):
            if minute is not None:
                self.minutes[minute] -= times
        return self.repeated.total() + self.repeated_before.total()

    def note(self, values: list[Value]) -> None:
        """Counts the variable parts of a line."""
        seen: dict[str, int] = {}
        for value in values:
            if value.host:
                self.hosts.add(value.text)
            seen[value.name] = times = seen.get(value.name, 0) + 1
            name = value.name if times == 1 else f"{value.name} {times}"
            often = self.values.get(name)
            if often is None:
                if len(self.values) >= MOST_VALUES:
                    continue
                often = self.values[name] = Often()
            often.add(value.text)

    def join(self, other: Tally) -> None:
        """Adds what was counted of another template that turned out to be this one."""
        if other.count and (not self.count or (other.first and self.first and other.first < self.first)):
            self.example = other.example
        self.count += other.count
        self.baseline += other.baseline
        self.first, self.last = _span(self.first, other.first, self.last, other.last)
        self.first_ever, self.last_ever = _span(self.first_ever, other.first_ever, self.last_ever, other.last_ever)
        self.minutes.update(other.minutes)
        self.repeated.update(other.repeated)
        self.repeated_before.update(other.repeated_before)
        for name, often in other.values.items():
            if name in self.values or len(self.values) < MOST_VALUES:
                self.values.setdefault(name, Often()).join(often)
        self.names |= other.names
        self.hosts.join(other.hosts)

    def told_values(self) -> list[dict[str, Any]]:
        """The variable parts, those first that vary the least; without those of which hardly any came twice."""
        parts = []
        for name, often in self.values.items():
            top, times = often.top()
            if times:
                parts.append({"name": name, "distinct": often.distinct, "top": top, "topCount": times})
        return sorted(parts, key=lambda part: part["distinct"])

    def told_hosts(self) -> list[str]:
        """The hosts that the lines name, most frequent first."""
        return sorted(self.hosts.counts, key=lambda host: (-self.hosts.counts[host], host))


def _span(
    first: datetime | None, other_first: datetime | None, last: datetime | None, other_last: datetime | None
) -> tuple[datetime | None, datetime | None]:
    return (
        min(filter(None, (first, other_first)), default=None),
        max(filter(None, (last, other_last)), default=None),
    )
