"""Moments as senders write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from shared.moment import parse_time

_UNITS: Final = {range(1, 11): 1, range(11, 14): 1_000, range(14, 17): 1_000_000, range(17, 20): 1_000_000_000}
"""By how many digits the time since 1970 has: seconds, milliseconds, microseconds, nanoseconds."""

_SPACED: Final = re.compile(
    r"(?P<year>\d{4})[-/.](?P<month>\d\d)[-/.](?P<day>\d\d)[ T](?P<time>\d\d:\d\d(:\d\d(\.\d{1,9})?)?)"
    r" ?(?P<offset>[+-]\d\d:?\d\d)?( ?(UTC|GMT|Z))?"
)
"""Go's own form, `2025-02-15 14:59:03.2 +0000 UTC`, and others between a date and RFC 3339."""


def moment_of(value: object) -> datetime | None:
    """The moment that a sender means: RFC 3339 or nearly so, RFC 2822, or the time since 1970 in seconds, milliseconds,
    microseconds or nanoseconds. A time without a zone is UTC. None when it is none that a database could hold.
    """
    if isinstance(value, bool) or value in (None, ""):
        return None
    shown = str(int(value) if isinstance(value, float) else value).strip()
    whole = shown.partition(".")[0]
    if whole.isascii() and whole.isdigit() and "-" not in shown:
        return _since_1970(whole)
    if (spaced := _SPACED.fullmatch(shown[:64])) is not None:
        date = f"{spaced['year']}-{spaced['month']}-{spaced['day']}"
        return parse_time(f"{date}T{spaced['time']}{spaced['offset'] or '+00:00'}")
    return parse_time(shown) or _mailed(shown)


def _since_1970(digits: str) -> datetime | None:
    unit = next((unit for lengths, unit in _UNITS.items() if len(digits) in lengths), None)
    return parse_time(datetime.fromtimestamp(int(digits) / unit, UTC).isoformat()) if unit else None


def _mailed(shown: str) -> datetime | None:
    try:
        return parse_time(parsedate_to_datetime(shown[:64]).isoformat())
    except (ValueError, OverflowError):
        return None
