"""When a line of a log was written, out of the many ways to write it. A time without a zone is taken to be UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.moment import EARLIEST, LATEST

_HEAD: Final = 120
"""Characters at the start of a line in which its time is looked for."""

_ISO: Final = re.compile(
    r"(?<!\d)(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r"(?: ?(Z|UTC|[+-]\d\d:?\d\d)(?![\d:]))?"
)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}
_MONTH: Final = "|".join(_MONTHS)
_ACCESS: Final = re.compile(rf"\[(\d\d)/({_MONTH})/(\d{{4}}):(\d\d):(\d\d):(\d\d) ([+-]\d{{4}})\]")
_SYSLOG: Final = re.compile(
    rf"(?:^|(?<=[\[>, ]))({_MONTH}) +(\d{{1,2}}) (\d\d):(\d\d):(\d\d)(?:\.(\d{{1,9}}))?(?: (\d{{4}})(?!\d))?"
)
_KLOG: Final = re.compile(r"^[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{1,9}) ")
_EPOCH: Final = re.compile(r"^\W{0,2}(\d{10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19})(?=\W|$)")


def time_of(line: str, near: datetime) -> datetime | None:
    """The time that a line gives near its start, in UTC. `near` gives syslog's and klog's times their year."""
    head = line[:_HEAD]
    for pattern, read in _FORMS:
        if found := pattern.search(head):
            try:
                return read(found, near)
            except ValueError:
                # The 31st of February, or hour 25: digits that only look like a time.
                return None
    return None


def tells_zone(line: str) -> bool:
    """Whether the time that a line gives is one for all the world: with a zone, or counted from 1970."""
    head = line[: 4 * _HEAD]
    if found := _ISO.search(head):
        return found[8] is not None
    return not (_SYSLOG.search(head) or _KLOG.search(head))


def from_epoch(value: float) -> datetime | None:
    """The moment that many seconds after 1970; or thousandths, millionths or nanoseconds, told apart by size."""
    for _ in range(3):
        if value >= LATEST.timestamp():
            value /= 1000
    inside = EARLIEST.timestamp() <= value < LATEST.timestamp()
    return datetime.fromtimestamp(value, UTC) if inside else None


def _iso(found: re.Match[str], near: datetime) -> datetime | None:
    *parts, fraction, zone = found.groups()
    return _moment(tuple(parts), fraction, zone)


def _access(found: re.Match[str], near: datetime) -> datetime | None:
    day, month, year, hour, minute, second, zone = found.groups()
    return _moment((year, _MONTHS[month], day, hour, minute, second), None, zone)


def _syslog(found: re.Match[str], near: datetime) -> datetime | None:
    month, day, hour, minute, second, fraction, year = found.groups()
    parts = (_MONTHS[month], day, hour, minute, second)
    return _moment((year, *parts), fraction, None) if year else _without_year(parts, fraction, near)


def _klog(found: re.Match[str], near: datetime) -> datetime | None:
    *parts, fraction = found.groups()
    return _without_year(tuple(parts), fraction, near)


def _leading_number(found: re.Match[str], near: datetime) -> datetime | None:
    return from_epoch(float(found[1]))


_FORMS: Final = (
    (_ISO, _iso),
    (_ACCESS, _access),
    (_SYSLOG, _syslog),
    (_KLOG, _klog),
    (_EPOCH, _leading_number),
)


def _moment(parts: tuple[str | int, ...], fraction: str | None, zone: str | None) -> datetime | None:
    year, month, day, hour, minute, second = map(int, parts)
    # A leap second is the end of the second before it, as far as a log is concerned.
    moment = datetime(year, month, day, hour, minute, min(second, 59), int((fraction or "")[:6].ljust(6, "0")), UTC)
    if zone and zone not in ("Z", "UTC"):
        shift = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        moment += shift if zone[0] == "-" else -shift
    return moment if EARLIEST <= moment < LATEST else None


def _without_year(parts: tuple[str | int, ...], fraction: str | None, near: datetime) -> datetime | None:
    found = []
    for year in (near.year - 1, near.year, near.year + 1):
        try:
            found.append(_moment((year, *parts), fraction, None))
        except ValueError:
            # The 29th of February is in leap years only.
            continue
    return min((moment for moment in found if moment), key=lambda moment: abs(moment - near), default=None)
