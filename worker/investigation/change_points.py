"""When a metric left its usual range, by how much, and for good or not.

A series is compared with its own baseline, as Shewhart's control charts do (W. A. Shewhart, Economic Control of Quality
of Manufactured Product, 1931), with median and MAD in place of mean and deviation so that single spikes do not count,
and with a run of points needed before a departure counts (Western Electric, Statistical Quality Control Handbook,
1956).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Final, Literal

LIMITS: Final = 5.0
"""Deviations from the median that are still usual. Metrics have heavier tails than the normal distribution."""

LEAST_SHARE: Final = 0.15
"""A smaller change than this share of the usual level explains no alert, however steady the metric is."""

RUN: Final = 3
"""Points in a row that have to lie outside, out of the next RUN + 1: one outlier is no change."""

FEWEST: Final = 5
"""Points that a baseline needs."""


@dataclass(frozen=True, slots=True)
class Series:
    """A metric of one service over time."""

    service: str
    name: str
    points: tuple[tuple[datetime, float], ...]
    """In the order of time, in UTC. What is no finite number is left out."""
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """Where a series left its usual range and stayed away."""

    at: datetime
    before: float
    """The usual level."""
    after: float
    """The level since then."""
    direction: Literal["up", "down"]
    shape: Literal["step", "ramp"]
    """A ramp is still on its way: leaks, filling disks, growing queues."""
    strength: float
    """How far outside, in limits; 1 is just outside."""

    @property
    def ratio(self) -> float | None:
        """`after` / `before`; None where it was nothing before."""
        return self.after / self.before if self.before else None


def change_point(series: Series, baseline_until: datetime) -> ChangePoint | None:
    """Where the series left the range it had until `baseline_until` (or in its first third, if that is longer)."""
    points = [(at, value) for at, value in series.points if math.isfinite(value)]
    usual = [value for at, value in points if at < baseline_until]
    if len(usual) < FEWEST:
        usual = [value for _, value in points[: max(FEWEST, len(points) // 3)]]
    if len(points) < FEWEST + RUN:
        return None
    level = median(usual)
    spread = 1.4826 * median(abs(value - level) for value in usual)
    limit = max(LIMITS * spread, LEAST_SHARE * abs(level), 1e-9)
    sides = [0 if abs(value - level) <= limit else (1 if value > level else -1) for _, value in points]
    for place, side in enumerate(sides):
        if side and sides[place : place + RUN + 1].count(side) >= RUN:
            return _told(points[place:], level, limit, "up" if side > 0 else "down")
    return None


def _told(
    since: Sequence[tuple[datetime, float]], level: float, limit: float, direction: Literal["up", "down"]
) -> ChangePoint:
    values = [value for _, value in since]
    after = median(values)
    last = median(values[-RUN:])
    first = median(values[:RUN])
    still_going = len(values) >= 2 * RUN and abs(last - level) > 1.5 * abs(first - level)
    return ChangePoint(
        at=since[0][0],
        before=level,
        after=last if still_going else after,
        direction=direction,
        shape="ramp" if still_going else "step",
        strength=min(1_000.0, abs((last if still_going else after) - level) / limit),
    )


def close_to(moment: datetime, change: ChangePoint, span: timedelta) -> bool:
    """Whether the change began within `span` of `moment`, before or after."""
    return abs(change.at - moment) <= span
