"""Error text that came with the alert."""

from __future__ import annotations

from dataclasses import replace

from shared.moment import Deadline
from tests.worker.inquiries import ALERT, inquiry
from worker.inquiry import Gathered, LogLine
from worker.sources.alert_errors import MOST_LINES, AlertErrors


def gathered(*errors: str) -> Gathered:
    return AlertErrors().gather(replace(inquiry(), errors=errors), Deadline.after(5))


def test_each_line_is_an_error_of_the_alerted_service() -> None:
    found = gathered("connection refused\r\n\n  at Db.Open()\n", "timeout\x00")
    assert found.lines == (
        LogLine("invoice-api", "connection refused", ALERT, "error"),
        LogLine("invoice-api", "  at Db.Open()", ALERT, "error"),
        LogLine("invoice-api", "timeout\ufffd", ALERT, "error"),
    )
    assert found.detail is None


def test_none_brought_is_none_found() -> None:
    assert gathered() == Gathered()
    assert gathered("", " \n") == Gathered()


def test_what_is_brought_is_bounded_and_the_rest_said() -> None:
    found = gathered("\n".join(["x" * 9_999] * (MOST_LINES + 7)))
    assert len(found.lines) == MOST_LINES
    assert {len(line.text) for line in found.lines} == {2_000}
    assert found.detail is not None and found.detail.startswith("7 lines")


def test_it_is_always_there() -> None:
    source = AlertErrors.from_settings()
    assert source is not None
    assert source.probe(Deadline.after(1))
