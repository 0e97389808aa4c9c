"""How often something came, minute by minute, and where that changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final, Literal

Change = Literal["new", "up", "down", "gone", "steady"]

CLEAR: Final = 5.0
"""Log-likelihood that two rates explain better than one, from which the change is taken for one. With a hundred
minutes to choose the best from, chance reaches it in one of a few dozen series.
"""
TIMES: Final = 2.0
"""How many times as often, or as seldom, it must have come."""


@dataclass(frozen=True, slots=True)
class RateChange:
    """Two rates, and where the one became the other; or one, when nothing shows that it changed."""

    before: float
    """Per minute."""
    after: float
    minute: int | None = None
    """The first minute of the new rate; None when there is only one."""


def steady(counts: Sequence[int]) -> RateChange:
    """The one rate of all minutes."""
    mean = sum(counts) / max(len(counts), 1)
    return RateChange(mean, mean)


def change_of_rate(counts: Sequence[int], first: int = 0) -> RateChange:
    """The split of the minutes that makes two constant Poisson rates likeliest, if they are clearly two. `first` is the
    number of the first minute.

    The likelihood-ratio scan for one change-point, as in Killick & Eckley, "changepoint: An R Package for Changepoint
    Analysis", Journal of Statistical Software 58(3), 2014, section 3.
    """
    total, minutes = sum(counts), len(counts)
    best, most = steady(counts), CLEAR
    whole = _log_likelihood(total, minutes)
    for minute, count in enumerate(accumulate(counts[:-1]), start=1):
        gain = _log_likelihood(count, minute) + _log_likelihood(total - count, minutes - minute) - whole
        if gain >= most:
            best, most = RateChange(count / minute, (total - count) / (minutes - minute), first + minute), gain
    low, high = sorted((best.before, best.after))
    return best if high >= TIMES * low else steady(counts)


def classify(rate: RateChange, baseline: int, current: int, *, compared: bool) -> Change:
    """What a change of rate amounts to. `compared` tells whether there is a window before to compare with."""
    if baseline == 0 and current and compared:
        return "new"
    if rate.minute is None:
        return "steady"
    if rate.after > rate.before:
        return "up"
    return "gone" if rate.after == 0 else "down"


def _log_likelihood(count: int, minutes: int) -> float:
    """Of Poisson counts at their best rate, but for what does not depend on the rate."""
    return count * math.log(count / minutes) if count else 0.0
