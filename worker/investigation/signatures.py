"""Log lines made into signatures: lines of one service that differ only in their variable parts, with their counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from shared.incident import Fact
from shared.moment import rfc3339
from worker.inquiry import LogLine, Window

MOST_SIGNATURES: Final = 40
"""Facts per source: beyond these, what is left out is said."""

EXAMPLE_LENGTH: Final = 1_000

MOST_NAMES: Final = 16
MOST_VALUES: Final = 5
"""Values that are told apart of one named part of a signature: what has more is not the same again and again."""

ERROR: Final = "error"
WARNING: Final = "warning"
OTHER: Final = "info"

_LEVELS: Final = {
    **dict.fromkeys(
        ("error", "err", "e", "fatal", "f", "critical", "crit", "panic", "emerg", "alert", "severe"), ERROR
    ),
    **dict.fromkeys(("warning", "warn", "w"), WARNING),
}
# A line that names no level speaks for itself: these words mean trouble, unless it says that there was none of it.
_TROUBLE: Final = re.compile(
    r"\b(error|exception|panic|fatal|critical|traceback|refused|failed|failure)\w*"
    r"|\b(timed? ?out|unavailable|denied|killed)\w*"
    r"|\b(?-i:\w+(?:Error|Exception))\b",
    re.IGNORECASE,
)
_NO_TROUBLE: Final = re.compile(
    r"\b(0|no|without) (errors?|failures?)\b|\b(errors?|failures?|failed)[\"']?[=: ]+0\b", re.IGNORECASE
)
_WARNING: Final = re.compile(r"\bwarn(ing)?\b", re.IGNORECASE)

_VARIABLE: Final = re.compile(
    r"""
    (?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)
  | (?P<id>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)
  | (?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b)
  | (?P<hex>\b0x[0-9a-f]+\b|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b)
  | (?P<number>(?<![A-Za-z_])[-+]?\d+(?:\.\d+)?)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NAMED: Final = re.compile(r"([A-Za-z_][\w.]{1,40})[\"']?\s?[=:]\s?[\"']?([\w./:@+-]{1,80})")


@dataclass(slots=True)
class _Tally:
    """One signature while it is being counted."""

    example: str
    level: str
    count: int = 0
    baseline: int = 0
    first: datetime | None = None
    last: datetime | None = None
    minutes: Counter[str] = field(default_factory=Counter)
    values: dict[str, Counter[str]] = field(default_factory=dict)
    """For each `name=value` of its lines: the values, up to MOST_VALUES of them."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What many lines amount to."""

    facts: tuple[Fact, ...]
    lines: int
    """Lines that were read."""
    left_out: int
    """Signatures that found no room among the facts."""


def level_of(line: LogLine) -> str:
    """`error`, `warning` or `info`: what the source says, else what the line's words say."""
    if line.level and (level := _LEVELS.get(line.level.lower())):
        return level
    if line.level and line.level.lower() in ("info", "debug", "trace", "notice", "i", "d"):
        return OTHER
    if _TROUBLE.search(line.text) and not _NO_TROUBLE.search(line.text):
        return ERROR
    return WARNING if _WARNING.search(line.text) else OTHER


def template(text: str) -> str:
    """`text` with its variable parts named instead of shown."""
    return _VARIABLE.sub(lambda match: f"<{match.lastgroup}>", text[:EXAMPLE_LENGTH])


def compact(source: str, lines: Iterable[LogLine], window: Window) -> Compacted:
    """The signatures of errors and warnings in the incident's window, compared with the window before it: errors
    first, then what is new, then what is frequent.
    """
    tallies: dict[tuple[str, str, str], _Tally] = {}
    read = 0
    for line in lines:
        read += 1
        level = level_of(line)
        if level != OTHER:
            key = (line.service, level, template(line.text))
            _count(tallies.setdefault(key, _Tally(line.text[:EXAMPLE_LENGTH], level)), line, window)
    current = [(key, tally) for key, tally in tallies.items() if tally.count]
    current.sort(key=lambda item: (item[1].level != ERROR, item[1].baseline > 0, -item[1].count, item[0]))
    facts = tuple(_fact(source, key, tally) for key, tally in current[:MOST_SIGNATURES])
    return Compacted(facts, read, len(current) - len(facts))


def _count(tally: _Tally, line: LogLine, window: Window) -> None:
    if line.at is not None and line.at < window.logs_since:
        tally.baseline += 1
        return
    if tally.count == 0:
        tally.example = line.text[:EXAMPLE_LENGTH]
    tally.count += 1
    for name, value in _NAMED.findall(line.text[:EXAMPLE_LENGTH])[:MOST_NAMES]:
        seen = tally.values.setdefault(name, Counter()) if len(tally.values) < MOST_NAMES else tally.values.get(name)
        if seen is not None and (value in seen or len(seen) <= MOST_VALUES):
            seen[value] += 1
    if line.at is not None:
        tally.first = min(tally.first or line.at, line.at)
        tally.last = max(tally.last or line.at, line.at)
        tally.minutes[line.at.strftime("%Y-%m-%dT%H:%MZ")] += 1


def _fact(source: str, key: tuple[str, str, str], tally: _Tally) -> Fact:
    service, level, shape = key
    span = f", {rfc3339(tally.first)} to {rfc3339(tally.last)}" if tally.first else ""
    head = f"{service} {level} x{tally.count}{span}, {tally.baseline} in the window before"
    return Fact(
        source=source,
        kind="signature",
        service=service,
        at=tally.first,
        text=f"{head}: {tally.example}",
        count=tally.count,
        data={
            "level": level,
            "template": shape,
            "example": tally.example,
            "lastSeen": rfc3339(tally.last),
            "baselineCount": tally.baseline,
            "perMinute": dict(sorted(tally.minutes.items())),
            "values": [
                {"name": name, "distinct": len(seen), "top": top, "topCount": often}
                for name, seen in tally.values.items()
                for top, often in seen.most_common(1)
            ],
        },
    )
