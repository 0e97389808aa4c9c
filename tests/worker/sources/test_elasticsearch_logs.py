"""Logs in Elasticsearch and OpenSearch, by a stand-in that answers as their search API does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, rfc3339
from shared.redaction.redactor import Redactor
from tests.loopback import Reply, StandIn
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.gathering import ask
from worker.inquiry import Gathered, SourceFailure, Target
from worker.log_queries import MOST_LINES
from worker.sources.elasticsearch_logs import Config, ElasticsearchLogs

KEY = "ZWxhc3RpYzpjYW5hcnk="

Search = Callable[[dict[str, Any]], Reply]


def hit(at: datetime, message: str, **source: Any) -> dict[str, Any]:
    """A hit of an ECS document (https://www.elastic.co/docs/reference/ecs)."""
    return {
        "_index": ".ds-logs-app-2026.11.23-000001",
        "_id": "x",
        "_score": None,
        "_source": {"@timestamp": rfc3339(at), "message": message, **source},
        "sort": [int(at.timestamp() * 1000)],
    }


def found(*hits: dict[str, Any], **more: Any) -> Reply:
    shards = {"total": 3, "successful": 3, "skipped": 0, "failed": 0}
    return Reply({"took": 3, "timed_out": False, "_shards": shards, "hits": {"max_score": None, "hits": hits}} | more)


def elastic(search: Search) -> StandIn:
    return StandIn(lambda asked: search(asked.json()))


def source(server: StandIn, **settings: Any) -> ElasticsearchLogs:
    return ElasticsearchLogs(Config(url=server.url, **settings))


def gathered(server: StandIn, *targets: Target, **settings: Any) -> Gathered:
    return source(server, **settings).gather(inquiry(*targets), Deadline.after(30))


def filters(body: dict[str, Any]) -> tuple[dict[str, Any], list[str], str]:
    """The time, the services and the severity that a search asks for."""
    within, service, *severe = body["query"]["bool"]["filter"]
    levels = severe[0]["bool"]["should"][0]["terms"]["log.level"] if severe else []
    names = service["bool"]["should"][0]["terms"]["service.name"]
    return within["range"]["@timestamp"], names, "warnings" if "WARN" in levels else "errors" if levels else "lines"


def near(body: dict[str, Any]) -> bool:
    return bool(filters(body)[0]["gte"] == rfc3339(ALERT - timedelta(minutes=10)))


def test_hits_become_lines_with_their_causes() -> None:
    trace = "Npgsql.NpgsqlException: refused\n   at Npgsql.Connector.Open()"
    nested = {"log": {"level": "ERROR"}, "error": {"type": "Npgsql.NpgsqlException", "stack_trace": trace}}
    flat = {"log.level": "fatal"}

    def search(body: dict[str, Any]) -> Reply:
        if filters(body)[2] == "errors" and near(body):
            return found(hit(ALERT, "save failed", **nested), hit(ALERT, "\x1b[31mgone\x1b[0m", **flat))
        return found()

    with elastic(search) as server:
        lines = gathered(server).lines
    assert [(line.service, line.level, line.at) for line in lines] == [
        ("invoice-api", "error", ALERT),
        ("invoice-api", "fatal", ALERT),
    ]
    assert lines[0].text == f"save failed\nNpgsql.NpgsqlException\n{trace}"
    assert lines[1].text == "gone"


def test_the_windows_are_asked_for_oldest_first_bounded_and_with_a_timeout() -> None:
    with elastic(lambda body: found()) as server:
        gathered(server, INVOICE, LEDGER)
    bodies = [asked.json() for asked in server.asked]
    spans = {(names[0], severity, span["gte"]) for span, names, severity in map(filters, bodies)}
    starts = [rfc3339(at) for at in (WINDOW.baseline_since, WINDOW.logs_since, ALERT - timedelta(minutes=10))]
    assert spans == {
        *(("invoice-api", severity, start) for severity in ("errors", "warnings") for start in starts),
        *(("ledger", "errors", start) for start in starts[:2]),
        ("invoice-api", "lines", starts[0]),
    }
    for body in bodies:
        assert body["size"] <= MOST_LINES
        assert body["sort"] == [{"@timestamp": {"order": "asc", "unmapped_type": "date"}}]
        assert 0 < int(body["timeout"].removesuffix("ms")) < 30_000
    assert {asked.path for asked in server.asked} == {"/logs-*/_search"}


@pytest.mark.parametrize("name", ['x" OR "y', "a*", "a/b", "../x", "a b", "", "é", "x" * 129, "x\ny"])
def test_a_hostile_name_is_refused_and_said(name: str) -> None:
    target = Target(service=name, role="dependency", log_names=(name,))
    with elastic(lambda body: found()) as server:
        answer = gathered(server, INVOICE, target)
    assert {name for asked in server.asked for name in filters(asked.json())[1]} == {"invoice-api"}
    assert answer.detail is not None and "1 of 2 services not asked about" in answer.detail


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {
                "_shards": {
                    "total": 3,
                    "failed": 1,
                    "failures": [{"reason": {"type": "circuit_breaking_exception", "reason": "Data too large"}}],
                }
            },
            "invoice-api: in part only, 1 of 3 shards failed (Data too large)",
        ),
        ({"timed_out": True}, "invoice-api: in part only, the search ran out of time on the server"),
    ],
)
def test_a_partial_answer_is_a_gap_that_is_told(more: dict[str, Any], said: str) -> None:
    with elastic(lambda body: found(hit(ALERT, "boom"), **more)) as server:
        answer = gathered(server)
    assert answer.lines
    assert answer.detail == said
    assert answer.incomplete == {"invoice-api"}


def test_reaching_the_limit_is_said() -> None:
    rows = [hit(ALERT + timedelta(milliseconds=n), f"e{n}") for n in range(MOST_LINES)]
    with elastic(lambda body: found(*rows) if near(body) and body["size"] == MOST_LINES else found()) as server:
        answer = gathered(server)
    assert answer.detail == "invoice-api: first 1,000 errors of more from 03:02 UTC on"
    assert answer.incomplete == {"invoice-api"}


def test_silence_is_told_from_a_wrong_field() -> None:
    with elastic(lambda body: found()) as server:
        wrong = gathered(server)
    assert wrong.detail == "no lines at all of invoice-api: is WHYDOWN_ELASTICSEARCH_SERVICE_FIELD right?"
    with elastic(lambda body: found(hit(ALERT, "served")) if filters(body)[2] == "lines" else found()) as server:
        fine = gathered(server)
    assert (fine.lines, fine.detail) == ((), "invoice-api logged no errors or warnings")


def test_a_failing_dependency_is_a_gap_and_not_a_failure() -> None:
    def search(body: dict[str, Any]) -> Reply:
        if "ledger" in filters(body)[1]:
            return Reply({"error": {"type": "es_rejected_execution_exception"}, "status": 429}, status=429)
        return found(hit(ALERT, "boom"))

    with elastic(search) as server:
        answer = gathered(server, INVOICE, LEDGER)
    assert answer.lines
    assert answer.detail == "ledger: answered 429: rate limited"


def test_silence_about_the_alerted_service_is_no_evidence_when_it_was_not_answered() -> None:
    def search(body: dict[str, Any]) -> Reply:
        return Reply("oops", status=500) if "invoice-api" in filters(body)[1] else found()

    with elastic(search) as server, pytest.raises(SourceFailure, match="500"):
        gathered(server, INVOICE, LEDGER)


def test_no_index_of_that_name_says_what_to_set() -> None:
    empty = {"total": 0, "successful": 0, "skipped": 0, "failed": 0}
    with elastic(lambda body: found(_shards=empty)) as server, pytest.raises(SourceFailure, match="_INDEX"):
        gathered(server)


@pytest.mark.parametrize(
    "hits", [None, 7, [None, 7, {}, {"_source": 7}, {"_source": {"message": "x"}}, {"_source": {"message": {"a": 1}}}]]
)
def test_nonsense_answers_are_survived(hits: Any) -> None:
    with elastic(lambda body: Reply({"hits": {"hits": hits}, "_shards": None})) as server:
        assert gathered(server).lines == ()


def test_an_error_that_echoes_the_key_does_not_show_it() -> None:
    with elastic(lambda body: Reply(f"bad header ApiKey {KEY}", status=500)) as server:
        facts, line = ask("logs.elasticsearch", source(server, api_key=KEY), inquiry(), 5, Redactor())
    assert (facts, line.status) == ((), CoverageStatus.ERROR)
    assert KEY not in (line.detail or "")


def test_credentials_and_field_names_are_used() -> None:
    with elastic(lambda body: found({"_source": {"t": rfc3339(ALERT), "msg": "boom"}})) as server:
        answer = gathered(server, api_key=KEY, index="app-*", message_field="msg", time_field="t", service_field="app")
        gathered(server, user="reader", password="pass:word")
    assert [line.text for line in answer.lines][:1] == ["boom"]
    assert server.asked[0].path == "/app-*/_search"
    assert server.asked[0].headers["authorization"] == f"ApiKey {KEY}"
    assert server.asked[-1].headers["authorization"] == "Basic cmVhZGVyOnBhc3M6d29yZA=="


def test_the_probe_counts_what_names_its_service() -> None:
    hits: dict[str, Any] = {"total": {"value": 10_000, "relation": "gte"}, "max_score": None, "hits": []}
    with elastic(lambda body: found(hits=hits)) as server:
        told = source(server).probe(Deadline.after(5))
    assert told == "logs-*: at least 10000 lines of the last hour with service.name"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ELASTICSEARCH_URL": "elasticsearch:9200"}, "ELASTICSEARCH_URL"),
        ({"WHYDOWN_ELASTICSEARCH_INDEX": "../_cluster"}, "WHYDOWN_ELASTICSEARCH_INDEX"),
        ({"WHYDOWN_ELASTICSEARCH_LEVEL_FIELD": "a b"}, "WHYDOWN_ELASTICSEARCH_LEVEL_FIELD"),
        ({"WHYDOWN_ELASTICSEARCH_USER": "x"}, "WHYDOWN_ELASTICSEARCH_PASSWORD"),
        ({"WHYDOWN_ELASTICSEARCH_CA_FILE": "/no/such/file"}, "WHYDOWN_ELASTICSEARCH_CA_FILE"),
    ],
)
def test_a_setting_that_is_wrong_is_named(
    settings: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ElasticsearchLogs.from_settings() is None
    for name, value in ({"OPENSEARCH_URL": "http://127.0.0.1:9200"} | settings).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=named):
        ElasticsearchLogs.from_settings()
