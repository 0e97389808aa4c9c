"""What the latency benchmark makes of the times that it notes."""

from __future__ import annotations

import pytest

from benchmarks.latency import HOPS, Outcome, Taken, p95
from benchmarks.slow_stand_ins import Diary


def _taken(total: float, brief: float) -> Taken:
    return Taken(slowest_source=1.0, model=2.0, brief=brief, total=total, hops=dict.fromkeys(HOPS, 0.0))


def test_a_stand_in_is_busy_once_however_many_requests_it_answers_at_a_time() -> None:
    diary = Diary()
    for begin, end in ((5.0, 6.0), (1.0, 2.0), (1.5, 2.5), (1.6, 1.7)):
        diary.note("loki", "service-001", begin, end)
    diary.note("loki", "service-002", 2.0, 9.0)
    assert diary.busy("loki", "service-001") == pytest.approx(2.5)
    assert (diary.first("loki", "service-001"), diary.last("loki", "service-001")) == (1.0, 6.0)
    assert diary.busy("github", "service-001") == 0.0


def test_the_95th_percentile_is_a_value_that_was_seen() -> None:
    assert p95([float(value) for value in range(1, 101)]) == 95.0
    assert p95([3.0]) == 3.0


def test_the_goals_are_ratios_to_the_slowest_source_and_the_model() -> None:
    good = Outcome("sqlite", 20, [_taken(3.03, 1.05)] * 20)
    assert good.reached
    assert good.wire()["totalRatioMedian"] == pytest.approx(1.01)
    assert not Outcome("sqlite", 20, [_taken(3.3, 1.05)] * 20).reached
    assert not Outcome("sqlite", 20, [_taken(3.03, 1.2)] * 20).reached
    assert not Outcome("sqlite", 20, [*[_taken(3.03, 1.05)] * 18, *[_taken(4.0, 1.05)] * 2]).reached
    assert not Outcome("sqlite", 21, good.taken).reached, "one is missing"
