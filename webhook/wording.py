"""How times, durations, outcomes and text read on a page."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from shared.incident import CoverageStatus, IncidentSummary, RelatedIncident, Status
from shared.moment import rfc3339, utc
from webhook.fields import http_url

_DECEPTIVE: Final = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def ago(value: datetime, moment: datetime) -> str:
    """How long before `moment` that was, in the one unit that says most."""
    seconds = int((moment - value).total_seconds())
    if -60 < seconds < 60:
        return "just now"
    amount = _amount(abs(seconds))
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def lasted(millis: int | None) -> str:
    """A duration in words: `340 ms`, `2.1 s`, `4 min`."""
    if millis is None:
        return "–"
    if millis < 1000:
        return f"{millis} ms"
    return f"{millis / 1000:.1f} s" if millis < 60_000 else _amount(millis // 1000)


def offset(value: datetime, start: datetime) -> str:
    """When that was, seen from `start`: `−14 min`, `+40 s`."""
    seconds = int((value - start).total_seconds())
    if seconds == 0:
        return "0"
    return f"{'−' if seconds < 0 else '+'}{_amount(abs(seconds))}"


def what(document: IncidentSummary | RelatedIncident) -> str:
    """The title, without the service's name where it begins with that: it stands beside it."""
    return document.title.removeprefix(f"{document.service}:").strip() or document.title


def standing(status: Status) -> str:
    """The status as people say it."""
    return "diagnosed" if status is Status.DONE else status.value


def told(status: CoverageStatus) -> str:
    """How an outcome is shown: `good`, `soft` or `bad`."""
    if status is CoverageStatus.OK:
        return "good"
    return "soft" if status.answered or status is CoverageStatus.NOT_CONFIGURED else "bad"


def certainty(confidence: float) -> str:
    """The confidence as a word."""
    return "high" if confidence >= 0.7 else "medium" if confidence >= 0.4 else "low"


def visible(value: Any) -> Any:
    """Text without characters that hide or reorder what is read: a command must be what it looks like.

    https://trojansource.codes
    """
    return _DECEPTIVE.sub("\ufffd", value) if type(value) is str else value


def clock(value: datetime) -> str:
    """The time of day in UTC: `03:12`."""
    return utc(value).strftime("%H:%M")


def day(value: datetime) -> str:
    """The day in UTC: `Mon 23 Nov 2026`."""
    return utc(value).strftime("%a %d %b %Y")


def spaced(name: str) -> str:
    """`notConfigured` as `not configured`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def _amount(seconds: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if seconds >= 2 * size or size == 1)
    return f"{seconds // size} {unit}"


FILTERS: Final = {
    "ago": ago,
    "certainty": certainty,
    "clock": clock,
    "day": day,
    "http_url": http_url,
    "lasted": lasted,
    "offset": offset,
    "rfc3339": rfc3339,
    "spaced": spaced,
    "standing": standing,
    "told": told,
    "what": what,
}
"""What the templates call them."""
