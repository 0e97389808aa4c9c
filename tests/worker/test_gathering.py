"""Asking a source: whatever it does becomes facts and one honest coverage line."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Self

import pytest
from structlog.testing import capture_logs

from shared.incident import CoverageStatus, Fact
from shared.moment import Deadline, DeadlineExceeded
from shared.redaction.redactor import Redactor
from tests.worker.investigation.incident import SCOPE, at
from worker import gathering
from worker.inquiry import Gathered, Inquiry, LogLine, SourceFailure

INQUIRY = Inquiry(scope=SCOPE, title="Errors")


class Scripted:
    """A source that does as it is told, one answer after the other."""

    configure: ClassVar[str] = "NOTHING"

    def __init__(self, *answers: Callable[[], Gathered]) -> None:
        self.answers = list(answers)

    @classmethod
    def from_settings(cls) -> Self | None:
        return cls()

    def gather(self, inquiry: Inquiry, deadline: Deadline) -> Gathered:
        return self.answers.pop(0)()

    def probe(self, deadline: Deadline) -> str:
        return "here"


def fails(failure: Exception) -> Callable[[], Gathered]:
    def answer() -> Gathered:
        raise failure

    return answer


def finds(*texts: str) -> Callable[[], Gathered]:
    return lambda: Gathered(facts=tuple(Fact(source="", kind="commit", text=text) for text in texts))


def test_facts_carry_their_source_and_are_counted() -> None:
    facts, line = gathering.ask("changes.git", Scripted(finds("one", "two")), INQUIRY, 5, Redactor())
    assert [(fact.source, fact.text) for fact in facts] == [("changes.git", "one"), ("changes.git", "two")]
    assert (line.status, line.items) == (CoverageStatus.OK, 2)
    assert line.millis is not None


def test_lines_become_signatures_and_are_counted() -> None:
    lines = tuple(LogLine("invoice-api", "ERROR boom", at(3)) for _ in range(7))
    facts, line = gathering.ask("logs.files", Scripted(lambda: Gathered(lines=lines)), INQUIRY, 5, Redactor())
    assert [fact.count for fact in facts] == [7]
    assert line.detail == "7 lines read"


def test_how_far_the_compaction_is_stands_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "PROGRESS_LINES", 10)
    lines = tuple(LogLine("invoice-api", f"ERROR boom {n}", at(3)) for n in range(25))
    with capture_logs() as said:
        gathering.ask("logs.files", Scripted(lambda: Gathered(lines=lines)), INQUIRY, 5, Redactor())
    assert [each["lines"] for each in said if each["event"] == "compacting"] == [10, 20]


def test_nothing_found_is_empty() -> None:
    _, line = gathering.ask("logs.loki", Scripted(lambda: Gathered(detail="no stream")), INQUIRY, 5, Redactor())
    assert (line.status, line.detail) == (CoverageStatus.EMPTY, "no stream")


def test_a_transient_failure_is_tried_again() -> None:
    passing = SourceFailure(CoverageStatus.ERROR, "answered 503", transient=True)
    facts, line = gathering.ask("logs.loki", Scripted(fails(passing), finds("one")), INQUIRY, 5, Redactor())
    assert (len(facts), line.status) == (1, CoverageStatus.OK)


def test_a_lasting_failure_is_told_and_is_no_fact() -> None:
    denied = SourceFailure(CoverageStatus.DENIED, "answered 401: the token is missing")
    facts, line = gathering.ask("logs.loki", Scripted(fails(denied)), INQUIRY, 5, Redactor())
    assert facts == ()
    assert (line.status, line.detail) == (CoverageStatus.DENIED, "answered 401: the token is missing")


def test_a_deadline_names_the_setting() -> None:
    _, line = gathering.ask("logs.loki", Scripted(fails(DeadlineExceeded())), INQUIRY, 5, Redactor())
    assert line.status is CoverageStatus.TIMEOUT
    assert "WHYDOWN_SOURCE_TIMEOUT_SECONDS" in (line.detail or "")


def test_a_defect_is_a_gap_and_tells_no_secret() -> None:
    _, line = gathering.ask("logs.loki", Scripted(fails(KeyError("s3cret"))), INQUIRY, 5, Redactor())
    assert line.status is CoverageStatus.ERROR
    assert "KeyError" in (line.detail or "")
    assert "s3cret" not in (line.detail or "")


def test_facts_are_bounded_and_the_cut_is_told() -> None:
    many = finds(*(f"commit {n}" for n in range(gathering.MOST_FACTS + 5)))
    facts, line = gathering.ask("changes.git", Scripted(many), INQUIRY, 5, Redactor())
    assert len(facts) == gathering.MOST_FACTS
    assert "5 of 305 items left out" in (line.detail or "")
    (long,), _ = gathering.ask("changes.git", Scripted(finds("x" * 50_000)), INQUIRY, 5, Redactor())
    assert long.text.endswith("(34000 characters left out)")


def test_a_category_without_any_source_is_a_gap_that_says_what_to_set() -> None:
    logs = ["WHYDOWN_LOG_FILES (a folder)", "LOKI_URL", "X_URL", "LOKI_URL"]
    offered = {"catalog": ["WHYDOWN_CATALOG"], "logs": logs, "changes": ["GITHUB_TOKEN"]}
    found = gathering.gaps(["changes.git", "changes.deployments", "logs.alert", "logs.kubernetes"], offered)
    assert [(line.source, line.status, line.detail) for line in found] == [
        ("catalog", CoverageStatus.NOT_CONFIGURED, "set WHYDOWN_CATALOG"),
        ("logs", CoverageStatus.NOT_CONFIGURED, "set WHYDOWN_LOG_FILES, LOKI_URL or X_URL"),
    ]
