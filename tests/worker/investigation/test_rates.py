"""Where a rate changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.investigation.rates import change_of_rate, classify


@pytest.mark.parametrize(
    ("counts", "change"),
    [
        ([0] * 60 + [3] * 10, "new"),
        ([1] * 60 + [5] * 10, "up"),
        ([5] * 60 + [1] * 20, "down"),
        ([1] * 60 + [0] * 12, "gone"),
        ([1] * 60 + [0], "steady"),
        ([1, 0, 2, 1] * 20, "steady"),
        ([10] * 60 + [15] * 20, "steady"),
        ([0] * 60 + [0] * 20, "steady"),
    ],
)
def test_changes(counts: list[int], change: str) -> None:
    baseline = sum(counts[:60])
    rate = change_of_rate(counts)
    assert classify(rate, baseline, sum(counts[60:]), compared=True) == change
    assert rate.minute == (60 if change != "steady" and any(counts) else None)


def test_without_a_window_before_nothing_is_new() -> None:
    assert classify(change_of_rate([1] * 30), 0, 30, compared=False) == "steady"


@given(st.lists(st.integers(0, 1_000), max_size=130), st.integers(0, 10))
def test_any_counts_have_rates(counts: list[int], first: int) -> None:
    rate = change_of_rate(counts, first)
    assert min(rate.before, rate.after) >= 0
    if rate.minute is not None:
        split = rate.minute - first
        assert 0 < split < len(counts)
        assert rate.before * split + rate.after * (len(counts) - split) == pytest.approx(sum(counts))
