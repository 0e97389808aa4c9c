"""Lines of logs: when, how bad, what; and traces kept together."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from worker.log_text.levels import level_of, level_word
from worker.log_text.lines import LONGEST_TEXT, MOST_TRACE_LINES, Entry, clean, entries, parse, stored
from worker.log_text.times import from_epoch, time_of

NEAR = datetime(2026, 1, 2, 3, 0, tzinfo=UTC)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-01-02T03:08:09.123456789Z boom", at(2026, 1, 2, 3, 8, 9, 123456)),
        ("2026-01-02 03:08:09,123 ERROR boom", at(2026, 1, 2, 3, 8, 9, 123000)),
        ("2026-01-02 03:08:09 boom", at(2026, 1, 2, 3, 8, 9)),
        ("2026-01-02T05:08:09+02:00 boom", at(2026, 1, 2, 3, 8, 9)),
        ("2026-01-01 22:08:09.5 -0500 boom", at(2026, 1, 2, 3, 8, 9, 500000)),
        ("[2026-01-02 03:08:09] ERROR: boom", at(2026, 1, 2, 3, 8, 9)),
        ("INFO [main] 2026-01-02 03:08:09 boom", at(2026, 1, 2, 3, 8, 9)),
        ('time="2026-01-02T03:08:09Z" level=error msg=boom', at(2026, 1, 2, 3, 8, 9)),
        ("2026/01/02 03:08:09 [error] 7#7: *1 connect() failed", at(2026, 1, 2, 3, 8, 9)),
        ('10.0.0.1 - - [02/Jan/2026:05:08:09 +0200] "GET / HTTP/1.1" 500 1', at(2026, 1, 2, 3, 8, 9)),
        ("Jan  2 03:08:09 host app[1]: boom", at(2026, 1, 2, 3, 8, 9)),
        ("<13>Dec 31 23:59:59 host app: boom", at(2025, 12, 31, 23, 59, 59)),
        ("<165>1 2026-01-02T03:08:09.003Z host app - - boom", at(2026, 1, 2, 3, 8, 9, 3000)),
        ("[Fri Jan 02 03:08:09.123456 2026] [core:error] boom", at(2026, 1, 2, 3, 8, 9, 123456)),
        ("E0102 03:08:09.123456       1 server.go:7] boom", at(2026, 1, 2, 3, 8, 9, 123456)),
        ("1767323289 boom", at(2026, 1, 2, 3, 8, 9)),
        ("1767323289.5 boom", at(2026, 1, 2, 3, 8, 9, 500000)),
        ("1767323289000 boom", at(2026, 1, 2, 3, 8, 9)),
        ("2026-01-02T03:08:60Z leap", at(2026, 1, 2, 3, 8, 59)),
        ("2026-02-31 03:08:09 no such day", None),
        ("2026-01-02 25:08:09 no such hour", None),
        ("0001-01-01T00:00:00Z no such incident", None),
        ("Feb 29 03:08:09 host app: no such day in those years", None),
        ("12345 orders", None),
        ("boom", None),
        ("", None),
    ],
)
def test_times_are_read_in_all_their_forms(line: str, moment: datetime | None) -> None:
    assert time_of(line, NEAR) == moment


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0, 1e300])
def test_numbers_that_are_no_time_are_none(value: float) -> None:
    assert from_epoch(value) is None


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-01-02 03:08:09 ERROR boom", "error"),
        ("2026-01-02 03:08:09 INFO no ERROR here", "info"),
        ("2026-01-02T03:08:09Z error something", "error"),
        ("2026/01/02 03:08:09 [error] 7#7: *1 connect() failed", "error"),
        ("[E] boom", "error"),
        ("[WARN ] careful", "warn"),
        ("| Err | boom", "error"),
        ("E0102 03:08:09.123456 1 server.go:7] boom", "error"),
        ('time="x" level=error msg=boom', "error"),
        ("severity: Critical boom", "critical"),
        ("lvl=WRN x", "warn"),
        ("panic: runtime error: nil map", "fatal"),
        ("fatal: repository not found", "fatal"),
        ("SEVERE: boom", "error"),
        ("app: Error: listen EADDRINUSE", "error"),
        ("Npgsql.NpgsqlException: connection refused", "error"),
        ('10.0.0.1 "GET / HTTP/1.1" 503 1', "error"),
        ('10.0.0.1 "GET / HTTP/1.1" 200 1', "info"),
        ("finished with 0 errors", None),
        ("errors=0 duration=5ms", None),
        ("the information desk reported an error-free day", None),
        ("GET /errors/ERROR-PAGE.html", None),
    ],
)
def test_levels_are_read_where_levels_stand(line: str, level: str | None) -> None:
    assert level_of(line) == level


def test_words_and_numbers_of_levels() -> None:
    assert [level_word(word) for word in ("Warning", "ERR", 50, 60, "notice", "unknown", None, True)] == [
        "warn",
        "error",
        "error",
        "fatal",
        "info",
        None,
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("fields", "entry"),
    [
        (
            {"ts": "2026-01-02T03:08:09.000Z", "level": "error", "line": "boom trace_id=7"},
            Entry("boom trace_id=7", at(2026, 1, 2, 3, 8, 9), "error"),
        ),
        ({"time": 1767323289000, "level": 50, "msg": "boom"}, Entry("boom", at(2026, 1, 2, 3, 8, 9), "error")),
        (
            {"@timestamp": "2026-01-02T03:08:09Z", "log.level": "WARN", "message": "slow"},
            Entry("slow", at(2026, 1, 2, 3, 8, 9), "warn"),
        ),
        (
            {"timestamp": "2026-01-02T03:08:09Z", "severity": "ERROR", "message": "failed", "error": "refused"},
            Entry("failed\nerror=refused", at(2026, 1, 2, 3, 8, 9), "error"),
        ),
        (
            {"log": "2026-01-02 03:08:09 ERROR boom\n", "stream": "stderr", "time": "2026-01-02T03:08:10Z"},
            Entry("2026-01-02 03:08:09 ERROR boom", at(2026, 1, 2, 3, 8, 10), "error"),
        ),
        (
            {"log": '{"level":"warn","msg":"slow"}\n', "time": "2026-01-02T03:08:10Z"},
            Entry("slow", at(2026, 1, 2, 3, 8, 10), "warn"),
        ),
        ({"message": "failed", "err": {"type": "E", "stack": "at x"}}, Entry("failed\nerr=E at x")),
    ],
)
def test_json_lines_are_read_by_their_usual_keys(fields: dict[str, Any], entry: Entry) -> None:
    assert parse(json.dumps(fields), NEAR) == entry


@pytest.mark.parametrize(
    "line", ["{cut", '{"a":' * 5_000, '{"time": 1e999, "msg": 7}', '{"time": %s}' % ("9" * 400), "{}"]
)
def test_json_that_is_none_is_still_a_line(line: str) -> None:
    assert parse(line, NEAR).text == line[:LONGEST_TEXT]


def lines_of(text: str) -> list[Entry]:
    return list(entries(text.splitlines(keepends=True), NEAR))


def test_a_trace_belongs_to_the_error_it_was_logged_with() -> None:
    found = lines_of(
        "2026-01-02 03:08:09,000 INFO fine\n"
        "2026-01-02 03:08:10,000 ERROR save failed\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 1, in save\n'
        "    commit()\n"
        "KeyError: 'x'\n"
        "\n"
        "During handling of the above exception, another exception occurred:\n"
        "\n"
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3, in save\n'
        "sqlalchemy.exc.OperationalError: (psycopg) refused\n"
        "2026-01-02 03:08:11,000 INFO fine again\n"
    )
    assert [entry.level for entry in found] == ["info", "error", "info"]
    assert found[1].at == at(2026, 1, 2, 3, 8, 10)
    assert found[1].text.startswith("2026-01-02 03:08:10,000 ERROR save failed\nTraceback")
    assert found[1].text.endswith("OperationalError: (psycopg) refused")


def test_what_was_thrown_after_an_unconcerned_line_is_an_event_of_that_time() -> None:
    found = lines_of(
        "2026-01-02 03:08:09 INFO listening\nTraceback (most recent call last):\n  File x\nValueError: y\n"
    )
    assert [(entry.text.partition("\n")[0], entry.level) for entry in found] == [
        ("2026-01-02 03:08:09 INFO listening", "info"),
        ("Traceback (most recent call last):", "error"),
    ]
    assert {entry.at for entry in found} == {at(2026, 1, 2, 3, 8, 9)}
    assert found[1].text.endswith("ValueError: y")


def test_java_and_go_traces_stay_together() -> None:
    java = lines_of(
        "2026-01-02 03:08:09 ERROR failed\njava.lang.IllegalStateException: no\n\tat a.B.c(B.java:1)\n"
        "Caused by: java.io.IOException: pipe\n\t... 7 more\n2026-01-02 03:08:10 WARN next\n"
    )
    assert [entry.level for entry in java] == ["error", "warn"]
    assert "Caused by: java.io.IOException: pipe" in java[0].text
    go = lines_of(
        "2026-01-02T03:08:09Z info up\npanic: nil deref\n\ngoroutine 1 [running]:\nmain.handle(0x1)\n"
        "\t/src/main.go:7 +0x1d\nmain.main()\n\t/src/main.go:3\nexit status 2\n2026-01-02T03:08:10Z info up\n"
    )
    assert [entry.level for entry in go] == ["info", "fatal", "info"]
    assert go[1].text.endswith("exit status 2")


def test_lines_without_a_time_belong_to_the_last_one_seen() -> None:
    found = lines_of("before\n2026-01-02 03:08:09 a\nb\nc\n")
    assert [(entry.text, entry.at) for entry in found] == [
        ("before", None),
        ("2026-01-02 03:08:09 a", at(2026, 1, 2, 3, 8, 9)),
        ("b", at(2026, 1, 2, 3, 8, 9)),
        ("c", at(2026, 1, 2, 3, 8, 9)),
    ]


def test_long_traces_keep_their_ends() -> None:
    text = lines_of("2026-01-02 03:08:09 ERROR x\n" + "".join(f"  frame {n}\n" for n in range(500)))[0].text
    assert len(text.split("\n")) == MOST_TRACE_LINES + 2
    assert "  frame 0\n" in text
    assert text.endswith("  frame 499")
    assert f"… {500 - MOST_TRACE_LINES} lines" in text


def test_colours_and_what_cannot_be_stored_are_taken_out() -> None:
    assert clean("\x1b[31mERROR\x1b[0m b\x00oom\x07\r\n") == "ERROR boom\ufffd"
    assert clean("\x1b]0;title\x07text") == "text"


@pytest.mark.parametrize(
    ("line", "level", "expected"),
    [
        ("\x1b[31m2020-01-01T00:00:00Z ERROR boom\x1b[0m", None, ("2020-01-01T00:00:00Z ERROR boom", "error")),
        ("ERROR boom", "warn", ("ERROR boom", "warn")),
        ('{"msg": "boom", "level": "error", "ts": "2020-01-01T00:00:00Z"}', None, ("boom", "error")),
        ('{"msg": "boom", "level": "error"}', "info", ("boom", "info")),
        ("{no JSON", None, ("{no JSON", None)),
    ],
)
def test_what_a_store_tells_of_a_line_counts(line: str, level: str | None, expected: tuple[str, str | None]) -> None:
    entry = stored(line, at(2026, 1, 2, 3, 8, 9), level)
    assert (entry.text, entry.level) == expected
    assert entry.at == at(2026, 1, 2, 3, 8, 9)
