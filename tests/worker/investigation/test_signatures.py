"""Lines made into signatures."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worker.investigation.incident import ALERT_AT, SCOPE, WINDOW
from worker.inquiry import LogLine
from worker.investigation import severity, signatures
from worker.investigation.naming import ServiceNames


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
    assert severity.level_of(LogLine("checkout", text, level=level)) == expected


def test_many_signatures_are_bounded_and_the_rest_is_counted() -> None:
    words = [a + b for a in "abcdefghij" for b in "klmnop"]
    compacted = signatures.compact("logs.files", [line(f"ERROR {word}Exception") for word in words], WINDOW)
    assert len(compacted.facts) == signatures.MOST_SIGNATURES
    assert compacted.left_out == 60 - signatures.MOST_SIGNATURES


@given(st.lists(st.text(max_size=200), max_size=20))
def test_any_lines_are_taken(texts: list[str]) -> None:
    compacted = signatures.compact("logs.files", [LogLine("s", text, level="error") for text in texts], WINDOW)
    assert sum(fact.count or 0 for fact in compacted.facts) == compacted.lines == len(texts)


def test_what_the_ranking_needs_to_know() -> None:
    texts = [f"ERROR no answer from invoice-db for record_id=r-7 after {n} ms via db.internal:5432" for n in range(20)]
    lines = [line(text, minutes=-5 + n / 4) for n, text in enumerate(texts)]
    (fact,) = signatures.compact("logs.files", lines, WINDOW, ServiceNames.of(SCOPE)).facts
    assert fact.data["change"] == "new"
    assert (fact.data["firstSeen"], fact.data["lastSeen"]) == ("2026-11-23T03:07:00Z", "2026-11-23T03:11:45Z")
    assert fact.data["names"] == ["invoice-db"]
    assert fact.data["hosts"] == ["db.internal:5432"]
    assert {"name": "record_id", "distinct": 1, "top": "r-7", "topCount": 20} in fact.data["values"]
    assert fact.data["perMinute"]["2026-11-23T03:07Z"] == 4
    assert 0.9 < fact.data["weight"] <= 1


def test_minutes_and_rates_reach_over_both_windows() -> None:
    before = [line("ERROR slow", minutes=-80 + n) for n in range(0, 60, 10)]
    during = [line("ERROR slow", minutes=-5 + n / 10) for n in range(60)]
    (fact,) = signatures.compact("logs.files", [*before, *during], WINDOW).facts
    assert sum(fact.data["perMinute"].values()) == 66
    assert fact.data["change"] == "up"
    assert fact.data["rate"] == {"before": 0.08, "after": 10.0, "at": "2026-11-23T03:07:00Z"}
    assert "0.08 a minute until 2026-11-23T03:07:00Z, then 10" in fact.text


def every_minute(text: str, start: int, end: int, level: str = "info") -> list[LogLine]:
    return [line(text, minutes=n, level=level) for n in range(start, end)]


def test_lines_without_trouble_are_told_when_they_stop_start_or_change() -> None:
    lines = [
        *every_minute("committed offset", -85, -10),
        *every_minute("still here", -85, 0),
        *every_minute("cache is cold", -8, 0),
        *(busy for _ in range(5) for busy in every_minute("handled request", -6, 0)),
        *every_minute("handled request", -85, -6),
    ]
    facts = signatures.compact("logs.files", lines, WINDOW).facts
    assert {fact.data["example"]: fact.data["change"] for fact in facts} == {
        "committed offset": "gone",
        "cache is cold": "new",
        "handled request": "up",
    }


def test_of_a_log_with_gaps_no_change_of_rate_is_told() -> None:
    lines = [*every_minute("committed offset", -85, -10), line("ERROR boom"), line("ERROR slow", minutes=-60)]
    (fact,) = signatures.compact("logs.loki", lines, WINDOW, incomplete={"checkout"}).facts
    assert (fact.data["example"], fact.data["change"], fact.data["rate"]["at"]) == ("ERROR boom", "new", None)


def test_no_start_is_taken_for_a_change() -> None:
    assert signatures.compact("logs.files", every_minute("handled request", -20, 0), WINDOW).facts == ()


def test_lines_without_trouble_never_crowd_out_errors() -> None:
    words = [a + b for a in "abcde" for b in "klmno"]
    lines = [line(f"new {word}Happened", minutes=-1, level="info") for word in words for _ in range(30)]
    errors = [line(f"ERROR {word}Exception") for word in words]
    before = [line("started", minutes=-60, level="info")]
    compacted = signatures.compact("logs.files", [*before, *lines, *errors], WINDOW)
    levels = [fact.data["level"] for fact in compacted.facts]
    assert levels == ["error"] * 25 + ["info"] * signatures.MOST_OF_INFO
    assert compacted.info_left_out == 25 - signatures.MOST_OF_INFO
    assert "15 changes in lines of level info left out" in compacted.notes()


def test_what_another_service_logs_in_good_times_tells_less() -> None:
    elsewhere = [LogLine(f"other-{n}", "ERROR metrics push failed", ALERT_AT - timedelta(hours=1)) for n in range(3)]
    lines = [*elsewhere, line("ERROR metrics push failed"), line("ERROR disk full")]
    own, shared = signatures.compact("logs.files", lines, WINDOW).facts
    assert (own.data["example"], shared.data["example"]) == ("ERROR disk full", "ERROR metrics push failed")
    assert shared.data["weight"] == pytest.approx(own.data["weight"] / 4, abs=0.01)


def test_that_something_stops_tells_as_much_when_others_log_it_too() -> None:
    own = every_minute("handled request", -85, -20)
    others = every_minute("still here", -85, 0)
    elsewhere = [replace(each, service="other") for each in every_minute("handled request", -85, 0)]
    (alone,) = signatures.compact("logs.files", [*own, *others], WINDOW).facts
    stopped = signatures.compact("logs.files", [*own, *others, *elsewhere], WINDOW).facts
    assert [(fact.service, fact.data["change"], fact.data["weight"]) for fact in stopped] == [
        ("checkout", "gone", alone.data["weight"])
    ]


def test_lines_outside_both_windows_are_kept_and_disclosed() -> None:
    compacted = signatures.compact("logs.files", [line("ERROR old", minutes=-500), line("ERROR old")], WINDOW)
    assert [(fact.count, fact.data["baselineCount"]) for fact in compacted.facts] == [(1, 1)]
    assert "1 of them outside the window" in compacted.notes()


def at_the_second(text: str, second: float) -> LogLine:
    return line(text, minutes=-10 + second / 60)


def test_a_log_that_was_shipped_twice_counts_once() -> None:
    lines = [at_the_second(f"ERROR order {n} failed", n) for n in range(20)]
    compacted = signatures.compact("logs.files", lines + lines, WINDOW)
    (fact,) = compacted.facts
    assert (fact.count, sum(fact.data["perMinute"].values())) == (20, 20)
    assert "20 of them came twice and count once" in compacted.notes()


def test_the_same_moment_and_text_is_the_same_line() -> None:
    once = line("ERROR boom", minutes=-1.00001)
    compacted = signatures.compact("logs.files", [once, once, line("ERROR boom", minutes=-1.00002)], WINDOW)
    assert [fact.count for fact in compacted.facts] == [2]
    assert compacted.repeats == 1


def test_many_equal_lines_within_a_second_are_many_lines() -> None:
    lines = [at_the_second(f"ERROR worker {'abcdefgh'[n]}", n) for n in range(8)] + [at_the_second("ERROR boom", 3)] * 9
    assert sum(fact.count or 0 for fact in signatures.compact("logs.files", lines, WINDOW).facts) == 17


def test_two_hundred_thousand_lines_are_compacted_in_bounded_memory() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"

    def lines(count: int) -> Iterator[LogLine]:
        for n in range(count):
            word = "".join(letters[n // 26**place % 26] for place in range(4))
            what = f"{word.title()}Exception" if n % 10 == 0 else "refused"
            yield line(f"{'x ' * (n % 3)}user {word} {what} id={n}", minutes=-25 + n / 8_000, level="error")

    def peak(count: int) -> int:
        tracemalloc.start()
        signatures.compact("logs.files", lines(count), WINDOW)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    compacted = signatures.compact("logs.files", lines(200_000), WINDOW)
    assert compacted.lines == 200_000
    assert len(compacted.facts) == signatures.MOST_SIGNATURES
    assert sum(fact.count or 0 for fact in compacted.facts) > 175_000
    assert compacted.dropped_templates > 1_000
    dropped = f"{compacted.dropped_lines} lines of the {compacted.dropped_templates} rarest templates dropped"
    assert dropped in compacted.notes()
    assert peak(24_000) < 1.5 * peak(16_000), "from some number of lines on it does not grow with them"
