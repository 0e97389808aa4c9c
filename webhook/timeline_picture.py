"""The incident as a picture: when which errors came, what was changed before, when it began, when the alert fired."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from shared.incident import Fact, Incident
from shared.moment import parse_time

WIDTH: Final = 360.0
"""Units of the drawing: about the pixels of a phone, so that its text can be read there."""
LEFT: Final = 6.0
RIGHT: Final = WIDTH - 6.0

BEFORE: Final = timedelta(minutes=45)
"""What is shown before the onset, unless a suspect went live earlier."""
LONGEST: Final = timedelta(hours=6)
AFTER: Final = timedelta(minutes=5)

MOST_ROWS: Final = 4
MOST_MARKS: Final = 12
ROW_HEIGHT: Final = 30.0
ROW_GAP: Final = 28.0
TOP: Final = 62.0

MOST_LABEL: Final = 41
"""Characters of a line that fit above its bars, beside their scale."""
NAME_WIDTH: Final = 46.0
"""Units that the name beside a suspect's dot takes."""

_LEVELS: Final = ("error", "warning")
_BEGIN: Final = re.compile(
    r"^(?:[\[(]?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?\s+)?(?:[\[(]?(?:ERROR|WARN(?:ING)?)[\])]?:?\s+)?"
)
"""The time and level that a line begins with: the axis and the colour tell them."""
_CHANGES: Final = ("commit", "deploy", "flag")
_TICKS: Final = (1, 2, 5, 10, 15, 30, 60, 120)
"""Minutes between two ticks of the axis."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: a vertical line."""

    x: float
    kind: str
    """`change`, `suspect`, `onset`, `alert` or `resolved`."""
    title: str
    fact: str | None = None
    name: str = ""
    """What stands beside it, where there is room."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute of one signature."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """The rate of one signature."""

    y: float
    """Of its base line."""
    label: str
    level: str
    fact: str
    most: int
    """Lines in its busiest minute."""
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn."""

    height: float
    marks: tuple[Mark, ...]
    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, datetime], ...]
    since: datetime
    until: datetime
    changes_left_out: int


def picture(document: Incident) -> Picture | None:
    """The picture, or None while there is nothing to show but the alert."""
    rates = [(fact, counts) for fact in document.facts if (counts := _per_minute(fact))]
    changes = [fact for fact in document.facts if fact.kind in _CHANGES and fact.at is not None]
    if not rates and not changes:
        return None
    since, until = _span(document, changes, rates)
    axis = _Axis(since, until)
    telling = [each for each in rates if each[0].data.get("level") in _LEVELS] or rates
    shown = sorted(telling, key=lambda each: (each[0].data.get("level") != "error", -(each[0].count or 0)))[:MOST_ROWS]
    near = [fact for fact in changes if fact.at is not None and since <= fact.at <= until]
    rows = tuple(
        _row(axis, TOP + (number + 1) * (ROW_GAP + ROW_HEIGHT), document.service, fact, counts)
        for number, (fact, counts) in enumerate(shown)
    )
    return Picture(
        height=TOP + len(rows) * (ROW_HEIGHT + ROW_GAP) + 4,
        marks=tuple(_marks(axis, document, near[-MOST_MARKS:])),
        rows=rows,
        ticks=tuple(axis.ticks()),
        since=since,
        until=until,
        changes_left_out=len(changes) - min(len(near), MOST_MARKS),
    )


class _Axis:
    def __init__(self, since: datetime, until: datetime) -> None:
        self.since = since
        self.until = until
        self._seconds = max((until - since).total_seconds(), 60.0)

    def at(self, moment: datetime) -> float:
        share = (moment - self.since).total_seconds() / self._seconds
        return round(LEFT + min(max(share, 0.0), 1.0) * (RIGHT - LEFT), 1)

    def ticks(self) -> Iterable[tuple[float, datetime]]:
        minutes = next((step for step in _TICKS if self._seconds / 60 / step <= 6), _TICKS[-1])
        step = timedelta(minutes=minutes)
        moment = self.since.replace(second=0, microsecond=0) - timedelta(minutes=self.since.minute % minutes)
        while moment <= self.until:
            if moment >= self.since:
                yield self.at(moment), moment
            moment += step


def _span(
    document: Incident, changes: Sequence[Fact], rates: Sequence[tuple[Fact, list[tuple[datetime, int]]]]
) -> tuple[datetime, datetime]:
    brief = document.brief
    onset = (brief.onset if brief else None) or document.started_at
    begin = min(onset, document.started_at)
    suspected = {fact for suspect in (brief.suspects[:1] if brief else ()) for fact in suspect.facts}
    guilty = [fact.at for fact in changes if fact.id in suspected and fact.at]
    since = min(begin - BEFORE, *(at - timedelta(minutes=5) for at in guilty if at)) if guilty else begin - BEFORE
    last = [moment for _, counts in rates for moment, _ in counts]
    until = max([document.started_at, onset, *last, *([document.resolved_at] if document.resolved_at else [])]) + AFTER
    until = min(until, begin + LONGEST)
    return max(since, until - LONGEST), until


def _marks(axis: _Axis, document: Incident, changes: Sequence[Fact]) -> Iterable[Mark]:
    suspects = document.brief.suspects if document.brief else ()
    guilty = {fact for suspect in suspects[:1] for fact in suspect.facts}
    taken = LEFT
    for fact in sorted(changes, key=lambda change: change.at or document.started_at):
        if fact.at is not None:
            x, is_suspect = axis.at(fact.at), fact.id in guilty
            name = fact.kind if is_suspect and x - taken >= NAME_WIDTH else ""
            title = f"{fact.kind}: {fact.text.partition(chr(10))[0][:120]}"
            yield Mark(x, "suspect" if is_suspect else "change", title, fact.id, name)
            taken = x
    if document.brief and document.brief.onset:
        yield Mark(axis.at(document.brief.onset), "onset", document.brief.onset_reason or "It began")
    yield Mark(axis.at(document.started_at), "alert", f"{document.title} started firing")
    if document.resolved_at and document.resolved_at <= axis.until:
        yield Mark(axis.at(document.resolved_at), "resolved", "The alert was resolved")


def _row(axis: _Axis, base: float, alerted: str, fact: Fact, counts: Sequence[tuple[datetime, int]]) -> Row:
    shown = [(moment, count) for moment, count in counts if count > 0 and axis.since <= moment <= axis.until]
    most = max((count for _, count in shown), default=0)
    width = max(1.0, axis.at(axis.since + timedelta(minutes=1)) - LEFT - 0.4)
    bars = []
    for moment, count in shown:
        height = max(1.5, ROW_HEIGHT * count / most)
        x, y = axis.at(moment), round(base - height, 1)
        bars.append(Bar(x, y, round(width, 1), round(height, 1), f"{moment:%H:%M} UTC: {count}"))
    return Row(base, _label(alerted, fact), str(fact.data.get("level", "")), fact.id, most, tuple(bars))


def _label(alerted: str, fact: Fact) -> str:
    line = _BEGIN.sub("", str(fact.data.get("example") or fact.text).partition("\n")[0])
    whose = f"{fact.service}: " if fact.service and fact.service != alerted else ""
    told = f"{whose}{line}"
    return told if len(told) <= MOST_LABEL else f"{told[: MOST_LABEL - 1]}…"


def _per_minute(fact: Fact) -> list[tuple[datetime, int]]:
    """Lines of a signature in each minute that had some, as its source's data tell."""
    if fact.kind != "signature":
        return []
    told: Any = fact.data.get("perMinute")
    pairs = told.items() if isinstance(told, dict) else told if isinstance(told, list) else []
    found = []
    for pair in list(pairs)[:1_000]:
        if isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[1], int):
            moment = parse_time(pair[0])
            if moment is not None:
                found.append((moment, pair[1]))
    return found
