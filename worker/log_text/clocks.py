"""Clocks that are hours off: a log that tells local time without its zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from worker.inquiry import Window

_STEP: Final = timedelta(minutes=30)
"""Zones differ by whole and half hours; the few with quarters are not told apart from chance."""
_FARTHEST: Final = timedelta(hours=14)
_ODD: Final = timedelta(seconds=90)
"""How far apart a line's time and the file's may be, besides the zone."""


def ahead(newest: datetime, written: datetime, window: Window) -> timedelta:
    """How far ahead of UTC the clock of a log is whose `newest` line tells a time without a zone, and which was last
    `written` then; negative when it is behind, and nothing unless that is unambiguous.

    It is when the file was still written to around the incident, and its last line is off by whole half hours.
    """
    if not window.logs_since <= written <= window.until + _STEP:
        return timedelta(0)
    off = newest - written
    steps = round(off / _STEP)
    clear = steps != 0 and abs(off) <= _FARTHEST + _ODD and abs(off - steps * _STEP) <= _ODD
    return steps * _STEP if clear else timedelta(0)


def told(off: timedelta) -> str:
    """`2 h ahead`, `5.5 h behind`."""
    hours = abs(off) / timedelta(hours=1)
    return f"{hours:g} h {'ahead' if off > timedelta(0) else 'behind'}"
