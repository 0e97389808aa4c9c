"""Metrics as facts: what changed, from what to what and when; and, in one line for each service, what did not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shared.incident import Fact
from shared.moment import rfc3339
from worker.inquiry import Window
from worker.investigation.change_points import ChangePoint, Series, change_point

MOST_CHANGED: Final = 12
"""Changed metrics of one service that become facts."""

MOST_POINTS: Final = 120
"""Points of one series that are kept for drawing it."""


def metric_facts(source: str, series: Sequence[Series], window: Window) -> tuple[Fact, ...]:
    """The facts of many series, the most changed first; the steady ones of a service in one."""
    changed: list[tuple[Series, ChangePoint]] = []
    steady: dict[str, list[Series]] = {}
    for each in series:
        found = change_point(each, window.logs_since)
        if found is None:
            steady.setdefault(each.service, []).append(each)
        else:
            changed.append((each, found))
    changed.sort(key=lambda pair: -pair[1].strength)
    kept: dict[str, int] = {}
    facts = []
    for each, found in changed:
        kept[each.service] = kept.get(each.service, 0) + 1
        if kept[each.service] <= MOST_CHANGED:
            facts.append(_changed(source, each, found))
    return (*facts, *(_steady(source, service, those) for service, those in steady.items()))


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
