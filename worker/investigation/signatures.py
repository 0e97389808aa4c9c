"""Log lines made into signatures: lines of one service that differ only in their variable parts, counted, compared
with the window before and with the other services, and weighed by how telling they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from shared.incident import Fact
from shared.moment import rfc3339
from worker.inquiry import LogLine, Window
from worker.investigation.naming import ServiceNames
from worker.investigation.rates import Change, RateChange, change_of_rate, classify, steady
from worker.investigation.repeats import Repeats, surely_one
from worker.investigation.severity import ERROR, OTHER, WARNING, level_of
from worker.investigation.tally import Tally
from worker.log_text.masks import Value, masked
from worker.log_text.templates import Template, Templates

MOST_SIGNATURES: Final = 40
"""Facts of errors and warnings per source: beyond these, what is left out is said."""
MOST_OF_INFO: Final = 10
"""Facts per source of lines that are no trouble by themselves, but new, gone, or clearly more or less than before."""
LOOKED_INTO: Final = 200
"""Lines of a signature that are searched for the names of services: they are told quickly, or not at all."""

_NO_NAMES: Final = ServiceNames()
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What many lines amount to."""

    facts: tuple[Fact, ...]
    lines: int
    """Lines that were read."""
    left_out: int = 0
    """Signatures of errors and warnings that found no room among the facts."""
    info_left_out: int = 0
    """Telling signatures of other lines that found no room."""
    repeats: int = 0
    """Lines of the same time and text as another, which were counted once."""
    outside: int = 0
    """Lines from before or after both windows: they count as before or during the incident, but for no rate."""
    dropped_templates: int = 0
    """Templates that had to go, the rarest first, because there were too many to remember."""
    dropped_lines: int = 0
    """The lines of those."""

    def notes(self) -> list[str]:
        """What the coverage report says."""
        said = [f"{self.lines} lines read"]
        if self.repeats:
            said.append(f"{self.repeats} of them came twice and count once")
        if self.outside:
            said.append(f"{self.outside} of them outside the window")
        if self.left_out:
            said.append(f"{self.left_out} rarer signatures left out")
        if self.info_left_out:
            said.append(f"{self.info_left_out} changes in lines of level info left out")
        if self.dropped_templates:
            said.append(f"{self.dropped_lines} lines of the {self.dropped_templates} rarest templates dropped")
        return said


class _Kind(NamedTuple):
    """Lines of different kinds are never of one template."""

    service: str
    level: str


class _Weighed(NamedTuple):
    """A signature with what is said of it."""

    kind: _Kind
    template: Template[Tally]
    change: Change
    rate: RateChange
    weight: float


def compact(
    source: str,
    lines: Iterable[LogLine],
    window: Window,
    names: ServiceNames = _NO_NAMES,
    incomplete: Collection[str] = (),
) -> Compacted:
    """The signatures of errors and warnings in the incident's window, compared with the window before it: errors first,
    then the most telling; and after them those of other lines that are new, gone, or clearly more or less than before.

    Of the services in `incomplete` some lines are missing: what is rare or silent there may be so for that reason, so
    that no change of rate is told of them.

    The lines are taken one by one. What is kept of them is bounded by MOST_TEMPLATES, however many there are.
    """
    templates: Templates[_Kind, Tally] = Templates(Tally, Tally.join)
    repeats = Repeats()
    read = outside = once = 0
    oldest, newest = window.until, window.baseline_since
    with_baseline: set[str] = set()
    for line in lines:
        read += 1
        again = repeats.again(line)
        if again and surely_one(line.at):
            once += 1
            continue
        minute = None
        if line.at is not None and window.baseline_since <= line.at <= window.until:
            oldest, newest = min(oldest, line.at), max(newest, line.at)
            minute = _minute(line.at, window)
        outside += line.at is not None and minute is None
        current = line.at is None or line.at >= window.logs_since
        if not current:
            with_baseline.add(line.service)
        _count(templates, line, minute, names, current=current, again=again)
    once += _without_repeats(templates, repeats)
    # Rates are told of the time that the logs cover: what lies beyond is not known to be silence.
    covered = range(_minute(oldest, window), _minute(newest, window) + 1)
    weighed = list(_weigh(templates, covered, with_baseline, incomplete))
    weighed.sort(key=lambda each: (each.kind.level != ERROR, -each.weight, -each.template.tally.count, each.kind))
    trouble = [each for each in weighed if each.kind.level != OTHER and each.template.tally.count]
    telling = [each for each in weighed if each.kind.level == OTHER and each.change != "steady"]
    shown = trouble[:MOST_SIGNATURES] + telling[:MOST_OF_INFO]
    return Compacted(
        facts=tuple(_fact(source, each, window) for each in shown),
        lines=read,
        left_out=len(trouble[MOST_SIGNATURES:]),
        info_left_out=len(telling[MOST_OF_INFO:]),
        repeats=once,
        outside=outside,
        dropped_templates=templates.dropped_templates,
        dropped_lines=templates.dropped_lines,
    )


def _count(
    templates: Templates[_Kind, Tally],
    line: LogLine,
    minute: int | None,
    names: ServiceNames,
    *,
    current: bool,
    again: bool,
) -> None:
    shape = masked(line.text)
    template = templates.add(_Kind(line.service, level_of(line)), shape.tokens)
    tally = template.tally
    tally.take(line.text, line.at, minute, current=current)
    if again:
        tally.repeat(minute, current=current)
    elif current:
        tally.note([*shape.values, *_wild(template, shape.tokens)])
        if tally.count <= LOOKED_INTO:
            tally.names |= names.within(line.text, line.service)


def _without_repeats(templates: Templates[_Kind, Tally], repeats: Repeats) -> int:
    """Takes the repeats out of what was counted of logs that were shipped twice; how many there were."""
    doubled = [template.tally for kind, template in templates if repeats.are_shipped_twice(kind.service)]
    return sum(tally.without_repeats() for tally in doubled)


def _wild(template: Template[Tally], tokens: Sequence[str]) -> Iterator[Value]:
    """The words in the places that turned out to be variable, each named by the word before it."""
    for place in template.wild:
        before = tokens[place - 1].strip(".,:;\"'()[]") if place else ""
        yield Value(before if before.isidentifier() else "word", tokens[place])


def _minute(at: datetime, window: Window) -> int:
    return int((at - window.baseline_since) / _MINUTE)


def _weigh(
    templates: Templates[_Kind, Tally], covered: range, with_baseline: Collection[str], incomplete: Collection[str]
) -> Iterator[_Weighed]:
    everything = list(templates)
    chatter: Mapping[str, set[str]] = defaultdict(set)
    for kind, template in everything:
        if template.tally.baseline:
            chatter[str(template)].add(kind.service)
    for kind, template in everything:
        tally = template.tally
        counts = [tally.minutes[minute] for minute in covered]
        if kind.service in incomplete:
            rate = steady(counts)
            compared = kind.level != OTHER
        else:
            rate = change_of_rate(counts, covered.start)
            compared = kind.level != OTHER or kind.service in with_baseline
        change = classify(rate, tally.baseline, tally.count, compared=compared)
        others = len(chatter[str(template)] - {kind.service})
        yield _Weighed(kind, template, change, rate, _weight(kind.level, change, rate, tally.count, others))


_LEVEL_WEIGHT: Final = {ERROR: 1.0, WARNING: 0.6, OTHER: 0.4}
_CHANGE_WEIGHT: Final[Mapping[Change, float]] = {"new": 1.0, "gone": 0.9, "up": 0.4, "down": 0.4, "steady": 0.15}


def _weight(level: str, change: Change, rate: RateChange, count: int, others: int) -> float:
    """0 to 1: how telling a signature is, by its level, its change of rate, and how rare it is elsewhere.

    What another service logs in good times too is the chatter of something that they share; that it stops is telling.
    """
    weight = _LEVEL_WEIGHT[level] * _CHANGE_WEIGHT[change]
    if change == "up":
        # From hardly more than chance up to almost as good as new.
        weight = _LEVEL_WEIGHT[level] * (0.4 + 0.5 * (1 - rate.before / rate.after))
    often = 1.0 if change == "gone" else 0.5 + 0.5 * count / (count + 1)
    elsewhere = 0 if change in ("gone", "down") else others
    return round(weight * often / (1 + elsewhere), 3)


def _fact(source: str, each: _Weighed, window: Window) -> Fact:
    kind, tally, rate = each.kind, each.template.tally, each.rate
    first, last = (tally.first, tally.last) if tally.count else (tally.first_ever, tally.last_ever)
    changed_at = window.baseline_since + rate.minute * _MINUTE if rate.minute is not None else None
    span = f", {rfc3339(first)} to {rfc3339(last)}" if first else ""
    head = f"{kind.service} {kind.level} x{tally.count}{span}, {tally.baseline} in the window before"
    if each.change in ("up", "down", "gone"):
        head += f", {rate.before:.3g} a minute until {rfc3339(changed_at)}, then {rate.after:.3g}"
    return Fact(
        source=source,
        kind="signature",
        service=kind.service,
        at=first,
        text=f"{head}: {tally.example}",
        count=tally.count,
        data={
            "level": kind.level,
            "template": str(each.template),
            "example": tally.example,
            "firstSeen": rfc3339(first),
            "lastSeen": rfc3339(last),
            "baselineCount": tally.baseline,
            "perMinute": _per_minutes(tally, window),
            "values": tally.told_values(),
            "names": sorted(tally.names),
            "hosts": tally.told_hosts(),
            "change": each.change,
            "rate": {
                "before": round(rate.before, 3),
                "after": round(rate.after, 3),
                "at": rfc3339(changed_at),
            },
            "weight": each.weight,
        },
    )


def _per_minutes(tally: Tally, window: Window) -> dict[str, int]:
    return {
        f"{window.baseline_since + minute * _MINUTE:%Y-%m-%dT%H:%MZ}": count
        for minute, count in sorted(tally.minutes.items())
    }
