"""Time: always aware, always UTC; and deadlines, which are measured on the monotonic clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

CLOCK_TOLERANCE: Final = timedelta(minutes=10)
"""Clocks of hosts and senders may differ by so much. What lies further in the future comes from a clock that was wrong
or has been set since.
"""


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def utc(value: datetime) -> datetime:
    """`value` in UTC; a time without a zone is taken to be UTC already."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def rfc3339(value: datetime | None) -> str | None:
    """`value` as RFC 3339 in UTC with a `Z`, or None."""
    return None if value is None else utc(value).isoformat().replace("+00:00", "Z")


def parse_time(text: object) -> datetime | None:
    """The moment that an RFC 3339 string names, in UTC; None when it names none a database could hold.

    Nanoseconds (Go's senders write nine digits) are cut to microseconds. Years before 2000 or from 2200 on are no
    incident's time: Go's zero time `0001-01-01` is how Alertmanager writes "not yet".
    """
    if not isinstance(text, str) or not 10 <= len(text) <= 64:
        return None
    try:
        moment = utc(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        return None
    return moment if EARLIEST <= moment < LATEST else None


class DeadlineExceeded(Exception):
    """The time allowed for a piece of work is used up."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The latest moment at which an answer is still of use."""

    at: float
    """Seconds on the monotonic clock."""

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Seconds left; raises DeadlineExceeded when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded("the deadline has passed")
        return left

    def passed(self) -> bool:
        """Whether no time is left."""
        return time.monotonic() >= self.at
