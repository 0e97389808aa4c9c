"""Lines made into signatures."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.investigation.incident import ALERT_AT, WINDOW
from worker.inquiry import LogLine
from worker.investigation import signatures


def line(text: str, minutes: float = 0.0, level: str | None = None) -> LogLine:
    return LogLine("checkout", text, ALERT_AT + timedelta(minutes=minutes), level)


def test_lines_that_differ_in_their_variable_parts_are_one_signature() -> None:
    lines = [line(f"ERROR order {n} failed: connect 10.0.1.{n}:5432 refused", minutes=n / 10) for n in range(20)]
    (fact,) = signatures.compact("logs.files", lines, WINDOW).facts
    assert fact.count == 20
    assert fact.at == ALERT_AT
    assert "ERROR order 0 failed" in fact.text
    assert sum(fact.data["perMinute"].values()) == 20


def test_the_window_before_is_the_baseline() -> None:
    old = [line("ERROR cache miss", minutes=-60)] * 3
    compacted = signatures.compact("logs.files", [*old, line("ERROR cache miss"), line("ERROR disk full")], WINDOW)
    assert [(fact.data["example"], fact.data["baselineCount"]) for fact in compacted.facts] == [
        ("ERROR disk full", 0),
        ("ERROR cache miss", 3),
    ], "what is new comes first"


def test_what_only_the_baseline_has_is_no_signature() -> None:
    assert signatures.compact("logs.files", [line("ERROR gone", minutes=-60)], WINDOW).facts == ()


@pytest.mark.parametrize(
    ("text", "level", "expected"),
    [
        ("connection refused", None, "error"),
        ("java.lang.OutOfMemoryError: Java heap space", None, "error"),
        ("panic: runtime error: invalid memory address", None, "error"),
        ("finished with 0 errors", None, "info"),
        ("errors=0 served=12", None, "info"),
        ("WARN queue is 80 % full", None, "warning"),
        ("GET /health 200", None, "info"),
        ("payment failed", "info", "info"),
        ("all is well", "ERROR", "error"),
    ],
)
def test_levels(text: str, level: str | None, expected: str) -> None:
    assert signatures.level_of(LogLine("checkout", text, level=level)) == expected


def test_many_signatures_are_bounded_and_the_rest_is_counted() -> None:
    words = [a + b for a in "abcdefghij" for b in "klmnopqrst"]
    compacted = signatures.compact("logs.files", [line(f"ERROR {word} broke") for word in words], WINDOW)
    assert len(compacted.facts) == signatures.MOST_SIGNATURES
    assert compacted.left_out == 100 - signatures.MOST_SIGNATURES


@given(st.lists(st.text(max_size=200), max_size=20))
def test_any_lines_are_taken(texts: list[str]) -> None:
    compacted = signatures.compact("logs.files", [LogLine("s", text, level="error") for text in texts], WINDOW)
    assert sum(fact.count or 0 for fact in compacted.facts) == compacted.lines == len(texts)
