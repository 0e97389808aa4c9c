"""Metrics as facts: what changed, from what to what and when; and, in one line for each service, what did not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from shared.incident import Fact
from shared.moment import rfc3339
from worker.inquiry import Window
from worker.investigation.change_points import FEWEST, ChangePoint, Series, change_point

MOST_CHANGED: Final = 12
"""Changed metrics of one service that become facts."""

SILENCE: Final = timedelta(minutes=5)
"""Prometheus forgets a series that it has seen nothing of for so long."""

MOST_POINTS: Final = 120
"""Points of one series that are kept for drawing it."""


def metric_facts(source: str, series: Sequence[Series], window: Window) -> tuple[Fact, ...]:
    """The facts of many series, the most changed first; the steady ones of a service in one."""
    changed: list[tuple[Series, ChangePoint]] = []
    steady: dict[str, list[Series]] = {}
    newest = max((each.points[-1][0] for each in series if each.points), default=window.until)
    ended = [each for each in series if _has_ended(each, newest, window)]
    for each in series:
        found = change_point(each, window.logs_since)
        if found is None and each not in ended:
            steady.setdefault(each.service, []).append(each)
        elif found:
            changed.append((each, found))
    changed.sort(key=lambda pair: -pair[1].strength)
    kept: dict[str, int] = {}
    facts = []
    for each, found in changed:
        kept[each.service] = kept.get(each.service, 0) + 1
        if kept[each.service] <= MOST_CHANGED:
            facts.append(_changed(source, each, found))
    facts += [_ended(source, each) for each in ended[:MOST_CHANGED]]
    return (*facts, *(_steady(source, service, those) for service, those in steady.items()))


def _has_ended(series: Series, newest: datetime, window: Window) -> bool:
    """Whether it gave nothing more in the incident's own window while others went on until `newest`."""
    moments = [at for at, _ in series.points]
    if len(moments) < FEWEST or moments[-1] < window.logs_since:
        return False
    usual = median((later - earlier).total_seconds() for earlier, later in pairwise(moments))
    return newest - moments[-1] > max(SILENCE, timedelta(seconds=5 * usual))


def _ended(source: str, series: Series) -> Fact:
    at, value = series.points[-1]
    text = f"{series.service} {series.name} has no data since {rfc3339(at)}; it was {value:.4g}"
    data = {"metric": series.name, "shape": "ended", "before": value}
    return Fact(source=source, kind="metric", service=series.service, at=at, text=text, data=data)


def _changed(source: str, series: Series, found: ChangePoint) -> Fact:
    verb = {"up": "rose", "down": "fell"}[found.direction]
    going = ", and is still going" if found.shape == "ramp" else ""
    ratio = f" (x{found.ratio:.3g})" if found.ratio else ""
    unit = f" {series.unit}" if series.unit else ""
    text = (
        f"{series.service} {series.name} {verb} from {found.before:.4g} to {found.after:.4g}{unit}{ratio} "
        f"at {rfc3339(found.at)}{going}"
    )
    step = max(1, -(-len(series.points) // MOST_POINTS))
    data = {
        "metric": series.name,
        "before": found.before,
        "after": found.after,
        "ratio": found.ratio,
        "direction": found.direction,
        "shape": found.shape,
        "strength": round(found.strength, 2),
        "points": [[rfc3339(at), value] for at, value in series.points[::step]],
    }
    return Fact(source=source, kind="metric", service=series.service, at=found.at, text=text, data=data)


def _steady(source: str, service: str, series: Iterable[Series]) -> Fact:
    names = sorted({each.name for each in series})
    text = f"{service}: without a change: {', '.join(names[:20])}"
    return Fact(source=source, kind="metric", service=service, text=text, data={"shape": "steady", "metrics": names})
