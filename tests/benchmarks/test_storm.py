"""What the storm benchmark makes of its figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.storm import AT_ONCE, MODEL_SECONDS, SOURCE_SECONDS, Outcome

_GOOD = Outcome(
    incidents=1_000,
    sources="loki",
    diagnosed=1_000,
    by_brief=0,
    seconds=13.0,
    sending_seconds=2.0,
    cpu={"web": 4.0, "worker": 16.0, "postgresql": 2.0, "stand-ins": 2.0},
    memory_mb={"web": 100.0, "worker": 200.0, "postgresql": 900.0, "stand-ins": 50.0},
    asked={"source_requests": 24_000, "model_calls": 1_000, "most_model_calls_at_once": AT_ONCE},
)


def test_the_ideal_is_the_waves_one_after_the_other() -> None:
    assert _GOOD.ideal == pytest.approx(4 * (SOURCE_SECONDS + MODEL_SECONDS))
    assert replace(_GOOD, incidents=1_001).ideal == pytest.approx(5 * (SOURCE_SECONDS + MODEL_SECONDS))
    assert _GOOD.wire()["totalRatio"] == pytest.approx(13.0 / 9.2, abs=0.001)
    assert _GOOD.wire()["cpuMillisPerIncident"]["worker"] == 16.0


def test_the_tree_is_everything_but_the_database_and_the_stand_ins() -> None:
    assert _GOOD.wire()["treeRssMb"] == 300


@pytest.mark.parametrize(
    "worse",
    [
        replace(_GOOD, seconds=14.0),
        replace(_GOOD, diagnosed=999),
        replace(_GOOD, by_brief=1),
        replace(_GOOD, memory_mb={"web": 200.0, "worker": 201.0}),
        replace(_GOOD, asked={**_GOOD.asked, "most_model_calls_at_once": AT_ONCE + 1}),
    ],
)
def test_each_part_of_the_goal_counts(worse: Outcome) -> None:
    assert _GOOD.reached
    assert not worse.reached
