"""Logs in Loki: recorded answers of a real one, served by a stand-in."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.loopback import Asked, Reply, StandIn
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.inquiry import Gathered, SourceFailure, Target
from worker.log_queries import MOST_LINES
from worker.sources.loki_logs import ERRORS, WARNINGS, WORDS, LokiLogs

RESPONSES = Path(__file__).parents[2] / "responses" / "loki"
EMPTY = (RESPONSES / "query_range_empty.json").read_text()
LABELS = (RESPONSES / "labels.txt").read_text()
TOKEN = "loki-canary-token"

Answer = Callable[[str, dict[str, str]], Reply]


def stream(*rows: tuple[datetime, str], **labels: str) -> dict[str, Any]:
    values = [[str(int(moment.timestamp()) * 10**9), text] for moment, text in rows]
    return {"stream": labels, "values": values}


def streams(*found: dict[str, Any]) -> Reply:
    return Reply({"status": "success", "data": {"resultType": "streams", "result": list(found)}})


def loki(answer: Answer, labels: str = LABELS) -> StandIn:
    def respond(asked: Asked) -> Reply:
        query = dict(asked.query)
        return Reply(labels) if asked.path == "/loki/api/v1/labels" else answer(query["query"], query)

    return StandIn(respond)


def nothing(query: str, params: dict[str, str]) -> Reply:
    return Reply(EMPTY)


def queries(server: StandIn) -> list[dict[str, str]]:
    return [dict(asked.query) for asked in server.asked if asked.path == "/loki/api/v1/query_range"]


def gathered(server: StandIn, *targets: Target, seconds: float = 30, **settings: Any) -> Gathered:
    return LokiLogs(server.url, **settings).gather(inquiry(*targets), Deadline.after(seconds))


def test_a_recorded_answer_becomes_lines() -> None:
    recorded = (RESPONSES / "query_range_limit100.json").read_text()
    with loki(lambda query, params: Reply(recorded if ERRORS in query else EMPTY)) as server:
        found = LokiLogs(server.url).gather(inquiry(), Deadline.after(30))
    values = [value for part in json.loads(recorded)["data"]["result"] for value in part["values"]]
    assert {line.text for line in found.lines} == {text for _, text in values}
    assert {line.level for line in found.lines} == {"error"}
    assert {line.service for line in found.lines} == {"invoice-api"}
    moments = {int(line.at.timestamp() * 1000) for line in found.lines if line.at}
    assert moments == {int(moment) // 1_000_000 for moment, _ in values}


def test_the_whole_window_is_asked_for_oldest_first_and_bounded() -> None:
    with loki(nothing) as server:
        gathered(server)
    spans = sorted(
        (int(query["start"]), int(query["end"])) for query in queries(server) if query["query"].endswith(ERRORS)
    )
    assert spans[0][0] == int(WINDOW.baseline_since.timestamp()) * 10**9
    assert int(WINDOW.logs_since.timestamp()) * 10**9 in [start for start, _ in spans]
    assert int(WINDOW.until.timestamp()) * 10**9 < spans[-1][1] <= int(WINDOW.until.timestamp()) * 10**9 + 1000
    assert all(end == start for (_, end), (start, _) in pairwise(spans))
    for query in queries(server):
        assert query["direction"] == "forward"
        assert 1 <= int(query["limit"]) <= 5_000


def test_levels_are_asked_for_first_and_words_only_where_they_led_to_nothing() -> None:
    row = (ALERT, "could not connect")

    def answer(query: str, params: dict[str, str]) -> Reply:
        if ERRORS in query and "invoice" in query and int(params["start"]) > int(WINDOW.logs_since.timestamp()) * 10**9:
            return streams(stream(row, detected_level="error"))
        return Reply(EMPTY)

    with loki(answer) as server:
        found = gathered(server, INVOICE, LEDGER)
    assert [line.text for line in found.lines] == ["could not connect"]
    assert not any(WORDS in query["query"] for query in queries(server)), "a ledger without errors is well"


@pytest.mark.parametrize("refused", [False, True])
def test_words_find_what_has_no_level(refused: bool) -> None:
    def answer(query: str, params: dict[str, str]) -> Reply:
        if WORDS in query:
            service = "ledger" if "ledger" in query else "invoice-api"
            return streams(stream((ALERT, f"ERROR in {service}"), app=service))
        return Reply((RESPONSES / "err_parse.txt").read_text(), status=400) if refused else Reply(EMPTY)

    with loki(answer) as server:
        found = gathered(server, INVOICE, LEDGER)
    assert {(line.service, line.level) for line in found.lines} == {("invoice-api", "error"), ("ledger", "error")}
    assert found.detail is None


def test_a_line_found_by_its_level_and_by_its_words_counts_once() -> None:
    warning = stream((ALERT, "retrying after timeout"), (ALERT, "retrying after timeout"), detected_level="warn")

    def answer(query: str, params: dict[str, str]) -> Reply:
        near = int(params["start"]) > int(WINDOW.logs_since.timestamp()) * 10**9
        return streams(warning) if near and (WARNINGS in query or WORDS in query) else Reply(EMPTY)

    with loki(answer) as server:
        assert [line.level for line in gathered(server).lines] == ["warn", "warn"]


@pytest.mark.parametrize(
    ("labels", "chosen"),
    [
        (["app", "service_name"], "service_name"),
        (["service", "app"], "app"),
        (["pod", "service"], "service"),
    ],
)
def test_the_label_is_the_first_that_there_is_and_is_asked_for_once(labels: list[str], chosen: str) -> None:
    with loki(nothing, json.dumps({"status": "success", "data": labels})) as server:
        source = LokiLogs(server.url)
        for _ in range(2):
            source.gather(inquiry(), Deadline.after(30))
    assert {query["query"].partition("=")[0] for query in queries(server)} == {"{" + chosen}
    assert sum(1 for asked in server.asked if asked.path == "/loki/api/v1/labels") == 1


def test_a_configured_label_tenant_and_token_are_used() -> None:
    with loki(nothing) as server:
        gathered(server, tenant="team-a", token=TOKEN, label="workload")
    assert {query["query"].partition("=")[0] for query in queries(server)} == {"{workload"}
    for asked in server.asked:
        assert asked.headers["x-scope-orgid"] == "team-a"
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("labels", ['{"status":"success"}', '{"status":"success","data":["pod"]}', "[]"])
def test_without_a_label_the_failure_names_the_setting(labels: str) -> None:
    with loki(nothing, labels) as server, pytest.raises(SourceFailure, match="WHYDOWN_LOKI_LABEL"):
        gathered(server)


HOSTILE = ['x"} |= "', "x|.+", "x`", "x\\", 'a",app="b', "{}", "", "x" * 129, "x\ny", "é", "x y"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_and_said(name: str) -> None:
    target = Target(service=name, role="dependency", log_names=(name,))
    with loki(nothing) as server:
        found = gathered(server, INVOICE, target)
        alone = gathered(server, target.model_copy(update={"role": "alerted"}))
    assert {query["query"].partition(" ")[0] for query in queries(server)} == {'{service_name="invoice-api"}'}
    assert found.detail is not None and "1 of 2 services not asked about" in found.detail
    assert alone.lines == () and alone.detail is not None and "1 of 1" in alone.detail


def test_several_names_of_one_service_make_one_selector() -> None:
    target = Target(service="db", role="alerted", log_names=("db.main", 'bad"', "db-k8s"))
    with loki(nothing) as server:
        gathered(server, target)
    selectors = {query["query"].partition("} ")[0].rstrip("}") for query in queries(server)}
    assert selectors == {r'{service_name=~"db\\.main|db-k8s"'}
    pattern = re.compile(selectors.pop().partition('"')[2].rstrip('"').replace("\\\\", "\\"))
    assert pattern.fullmatch("db.main") and not pattern.fullmatch("dbxmain")


def test_reaching_the_limit_is_said() -> None:
    rows = [(ALERT + timedelta(seconds=n), f"e{n}") for n in range(MOST_LINES)]

    def answer(query: str, params: dict[str, str]) -> Reply:
        full = ERRORS in query and int(params["start"]) >= int((ALERT - timedelta(minutes=10)).timestamp()) * 10**9
        return streams(stream(*rows, detected_level="error")) if full else Reply(EMPTY)

    with loki(answer) as server:
        found = gathered(server)
    assert len(found.lines) == MOST_LINES
    assert found.detail == "invoice-api: first 1,000 lines of more from 03:02 UTC on"


def test_silence_is_told_from_a_wrong_label() -> None:
    with loki(nothing) as server:
        wrong = gathered(server)
    assert wrong.lines == ()
    assert wrong.detail == 'Loki has no lines at all for {service_name="invoice-api"}: is WHYDOWN_LOKI_LABEL right?'
    fine = stream((ALERT, "served"), detected_level="info")
    with loki(lambda query, params: streams(fine) if query.endswith("}") else Reply(EMPTY)) as server:
        assert gathered(server).detail == "invoice-api logged no errors or warnings"


def test_a_failing_dependency_is_a_gap_and_not_a_failure() -> None:
    def answer(query: str, params: dict[str, str]) -> Reply:
        if "ledger" in query:
            return Reply("too many outstanding requests", status=429)
        return streams(stream((ALERT, "boom"), detected_level="error")) if ERRORS in query else Reply(EMPTY)

    with loki(answer) as server:
        found = gathered(server, INVOICE, LEDGER)
    assert found.lines
    assert found.detail == "ledger: answered 429: rate limited"


@pytest.mark.parametrize(
    ("reply", "status", "detail"),
    [
        (Reply("no org id", status=401), CoverageStatus.DENIED, "401"),
        (Reply("forbidden", status=403), CoverageStatus.DENIED, "403"),
        (Reply((RESPONSES / "err_range_too_long.txt").read_text(), status=400), CoverageStatus.ERROR, "30d1h"),
        (Reply("slow down", status=429), CoverageStatus.ERROR, "429"),
        (Reply("oops", status=500), CoverageStatus.ERROR, "500"),
        (Reply("not json"), CoverageStatus.ERROR, "JSON"),
    ],
)
def test_when_nothing_could_be_asked_the_failure_says_why(reply: Reply, status: CoverageStatus, detail: str) -> None:
    with loki(lambda query, params: reply) as server, pytest.raises(SourceFailure, match=detail) as failure:
        gathered(server, INVOICE, LEDGER, token=TOKEN)
    assert failure.value.status is status
    assert TOKEN not in failure.value.detail


def test_silence_of_the_others_does_not_hide_that_the_alerted_service_was_not_answered_for() -> None:
    def answer(query: str, params: dict[str, str]) -> Reply:
        return Reply("oops", status=500) if "invoice" in query else Reply(EMPTY)

    with loki(answer) as server, pytest.raises(SourceFailure, match="500"):
        gathered(server, INVOICE, LEDGER)


def test_what_was_answered_is_kept_when_a_dependency_hangs() -> None:
    hang = threading.Event()

    def answer(query: str, params: dict[str, str]) -> Reply:
        if "ledger" in query:
            hang.wait(60)
        return streams(stream((ALERT, "boom"), detected_level="error")) if ERRORS in query else Reply(EMPTY)

    with loki(answer) as server:
        found = gathered(server, INVOICE, LEDGER, seconds=2)
        hang.set()
    assert found.lines
    assert found.detail == "ledger: no answer in time"


def test_a_loki_that_hangs_is_given_up_at_the_deadline() -> None:
    def hang(asked: Asked) -> Reply:
        server.closing.wait(60)
        return Reply()

    with StandIn(hang) as server, pytest.raises(DeadlineExceeded):
        gathered(server, seconds=0.3)


def test_targets_are_asked_about_at_the_same_time() -> None:
    # Three spans of errors and three of warnings for the alerted service, two of errors for its dependency.
    together = threading.Barrier(8, timeout=30)

    def answer(query: str, params: dict[str, str]) -> Reply:
        together.wait()
        return streams(stream((ALERT, "boom"), detected_level="error"))

    with loki(answer) as server:
        assert len(gathered(server, INVOICE, LEDGER).lines) == 8


@pytest.mark.parametrize(
    "result",
    [
        None,
        {"a": 1},
        [None, 7, {"stream": 7, "values": [[1], "x", None, ["NaN", "x"], ["9" * 40, "x"], [1, 2]]}],
        [{"values": [["1795424767643752349", "x", {"structuredMetadata": {}}]]}],
    ],
)
def test_nonsense_answers_are_survived(result: Any) -> None:
    with loki(lambda query, params: Reply({"data": {"result": result}})) as server:
        assert {line.text for line in gathered(server).lines} <= {"x"}


def test_json_lines_and_colours_are_read_as_what_they_say() -> None:
    rows = [(ALERT, '{"level":"error","msg":"save failed","error":"refused"}'), (ALERT, "\x1b[31mERROR\x1b[0m x\x00")]
    with loki(lambda query, params: streams(stream(*rows)) if ERRORS in query else Reply(EMPTY)) as server:
        assert {(line.text, line.level) for line in gathered(server).lines} == {
            ("save failed\nerror=refused", "error"),
            ("ERROR x", "error"),
        }


def test_it_is_configured_by_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOKI_URL", raising=False)
    assert LokiLogs.from_settings() is None
    monkeypatch.setenv("LOKI_URL", "loki:3100")
    with pytest.raises(ConfigurationError, match="LOKI_URL"):
        LokiLogs.from_settings()
    with loki(nothing) as server:
        monkeypatch.setenv("LOKI_URL", server.url)
        source = LokiLogs.from_settings()
        assert source is not None
        assert "service_name" in source.probe(Deadline.after(5))
    monkeypatch.setenv("WHYDOWN_LOKI_LABEL", 'app="x"')
    with pytest.raises(ConfigurationError, match="WHYDOWN_LOKI_LABEL"):
        LokiLogs.from_settings()
