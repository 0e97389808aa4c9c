"""Metrics in Prometheus: a stand-in that answers in its format."""

from __future__ import annotations

import re
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from shared.errors import ConfigurationError
from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from tests.loopback import Asked, Reply, StandIn
from tests.worker.inquiries import ALERT, INVOICE, LEDGER, WINDOW, inquiry
from worker.inquiry import Gathered, SourceFailure, Target, Window
from worker.metric_queries import QUERIES, Span, alternatives, filled, read_queries
from worker.sources.prometheus_metrics import LABELS, MOST_SERIES, PrometheusMetrics

TOKEN = "prometheus-canary-token"
CPU = {"cpu_cores": 'sum by ($label) (rate(cpu{$label=~"$services"}[$interval]))'}
TWO = {**CPU, "memory_bytes": 'max by (container) (memory{container=~"$services"})'}

Answer = Callable[[dict[str, str]], Reply]
Values = list[list[Any]]


def form(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(asked.body.decode()))


def matrix(*series: tuple[dict[str, str], Values], **more: Any) -> Reply:
    result = [{"metric": metric, "values": values} for metric, values in series]
    return Reply({"status": "success", "data": {"resultType": "matrix", "result": result}, **more})


def points(*values: float | str, start: datetime = WINDOW.baseline_since, step: int = 30) -> Values:
    """Samples as Prometheus writes them: the value is a string."""
    return [[start.timestamp() + step * place, str(value)] for place, value in enumerate(values)]


def flat(level: float, until: datetime = WINDOW.until) -> list[float]:
    """A metric around a level, from the start of the baseline on."""
    count = int((until - WINDOW.baseline_since).total_seconds() // 30)
    return [level + 0.01 * level * (place % 3) for place in range(count)]


def prometheus(answer: Answer, known: Iterable[str] = ("job",)) -> StandIn:
    """`known` are the labels that hold a service's name."""

    def respond(asked: Asked) -> Reply:
        if asked.path == "/api/v1/labels":
            label = re.match(r"\{(\w+)=~", form(asked).get("match[]", "{x=~"))
            assert label
            there = list(known) if label[1] in (*known, "x") else []
            return Reply({"status": "success", "data": there})
        assert asked.path == "/api/v1/query_range"
        return answer(form(asked))

    return StandIn(respond)


def asked_for(server: StandIn) -> list[dict[str, str]]:
    return [form(asked) for asked in server.asked if asked.path == "/api/v1/query_range"]


def gathered(
    server: StandIn, *targets: Target, queries: dict[str, str] | None = None, seconds: float = 30, **more: Any
) -> Gathered:
    source = PrometheusMetrics(server.url, queries or CPU, **more)
    return source.gather(inquiry(*targets), Deadline.after(seconds))


def step_up(form: dict[str, str]) -> Reply:
    trouble = ALERT - timedelta(minutes=10)
    values = [*flat(0.2, trouble), *([0.9] * 40)]
    return matrix(({"job": "invoice-api"}, points(*values)), ({"job": "ledger"}, points(*flat(0.1))))


def test_what_changed_and_what_did_not_are_facts_of_the_service() -> None:
    with prometheus(step_up) as server:
        found = gathered(server, INVOICE, LEDGER)
    changed, steady = found.facts
    assert (changed.service, changed.kind, changed.source) == ("invoice-api", "metric", "metrics.prometheus")
    assert changed.text.startswith("invoice-api cpu_cores rose from 0.2")
    assert changed.at == ALERT - timedelta(minutes=10)
    assert steady.text == "ledger: without a change: cpu_cores"
    assert found.detail is None


def test_one_question_is_asked_for_all_services_over_the_whole_window() -> None:
    with prometheus(step_up) as server:
        gathered(server, INVOICE, LEDGER)
    (asked,) = asked_for(server)
    assert asked["query"] == 'sum by (job) (rate(cpu{job=~"(?:.+/)?(?:invoice-api|ledger)"}[120s]))'
    assert int(asked["start"]) <= WINDOW.baseline_since.timestamp() < int(asked["start"]) + int(asked["step"])
    assert int(asked["end"]) == WINDOW.until.timestamp()
    assert asked["timeout"].endswith("ms")


@pytest.mark.parametrize(("minutes", "step"), [(20, 15), (90, 30), (600, 120), (60 * 48, 600), (60 * 24 * 7, 3600)])
def test_the_step_follows_the_window(minutes: int, step: int) -> None:
    window = Window(
        alert_at=ALERT,
        changes_since=ALERT,
        baseline_since=ALERT - timedelta(minutes=minutes),
        logs_since=ALERT,
        until=ALERT,
    )
    span = Span.of(window)
    assert span.step == step
    assert (span.end - span.start) / span.step <= 301, "Prometheus refuses more than 11,000"
    assert int(span.interval.removesuffix("s")) >= max(120, step)


@pytest.mark.parametrize("known", [["app", "job"], ["job"], ["service", "app", "job"]])
def test_the_label_is_the_first_that_knows_a_service(known: list[str]) -> None:
    with prometheus(step_up, known) as server:
        gathered(server)
    first = next(label for label in LABELS if label in known)
    assert f"sum by ({first})" in asked_for(server)[0]["query"]


def test_where_no_label_knows_the_service_the_other_queries_are_asked_and_the_setting_is_named() -> None:
    container = matrix(({"container": "invoice-api"}, points(*flat(2e8))))
    with prometheus(lambda _: container, known=()) as server:
        found = gathered(server, queries=TWO)
    assert [asked["query"][:8] for asked in asked_for(server)] == ["max by ("]
    assert [fact.text for fact in found.facts] == ["invoice-api: without a change: memory_bytes"]
    assert found.detail is not None and "WHYDOWN_PROMETHEUS_LABEL" in found.detail


def test_a_configured_label_is_not_looked_for() -> None:
    with prometheus(step_up) as server:
        gathered(server, label="workload")
    assert [asked.path for asked in server.asked] == ["/api/v1/query_range"]
    assert "workload=~" in asked_for(server)[0]["query"]


def test_the_namespace_of_opentelemetry_may_stand_before_the_name() -> None:
    with prometheus(lambda _: matrix(({"job": "billing/invoice-api"}, points(*flat(1))))) as server:
        assert [fact.service for fact in gathered(server).facts] == ["invoice-api"]
    pattern = re.compile(alternatives(["db.main", "cart"]))
    assert pattern.fullmatch("shop/cart") and pattern.fullmatch("db.main")
    assert not pattern.fullmatch("dbxmain") and not pattern.fullmatch("cart-2")


HOSTILE = ['x"}) or vector(1) #', "x|.+", "x`", "x\\", "{}", "", "x" * 129, "x\ny", "é", "x y", "$label", "(a+)+"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_refused_and_said(name: str) -> None:
    target = Target(service=name, role="dependency", log_names=(name,))
    with prometheus(step_up) as server:
        found = gathered(server, INVOICE, target)
        alone = gathered(server, target.model_copy(update={"role": "alerted"}))
    assert {re.findall(r'"(.*)"', asked["query"])[0] for asked in asked_for(server)} == {"(?:.+/)?(?:invoice-api)"}
    assert found.detail is not None and "1 services not asked about" in found.detail
    assert alone.facts == () and alone.detail is not None


def test_what_is_no_number_is_left_out() -> None:
    odd = ["NaN", "+Inf", "-Inf", "0.2", "x", None]
    values = [[WINDOW.baseline_since.timestamp() + 30 * place, odd[place % 6]] for place in range(150)]
    with prometheus(lambda _: matrix(({"job": "invoice-api"}, values))) as server:
        assert [fact.text for fact in gathered(server).facts] == ["invoice-api: without a change: cpu_cores"]
    with prometheus(lambda _: matrix(({"job": "invoice-api"}, points("NaN", "NaN")))) as server:
        nothing = gathered(server)
    assert (nothing.facts, nothing.detail) == ((), "no metric of invoice-api")


def test_a_series_that_ends_while_others_go_on_is_said() -> None:
    gone = points(*flat(0.2, ALERT - timedelta(minutes=12)))
    whole = points(*flat(0.1))
    with prometheus(lambda _: matrix(({"job": "invoice-api"}, gone), ({"job": "ledger"}, whole))) as server:
        first, second = gathered(server, INVOICE, LEDGER).facts
    assert first.text.startswith("invoice-api cpu_cores has no data since 2026-11-23T02:59:30Z")
    assert second.text == "ledger: without a change: cpu_cores"


def test_a_gap_is_no_change() -> None:
    values = points(*flat(0.2))
    del values[60:90]
    with prometheus(lambda _: matrix(({"job": "invoice-api"}, values))) as server:
        assert [fact.data["shape"] for fact in gathered(server).facts] == ["steady"]


def test_a_query_with_more_labels_gives_bounded_series_with_their_labels() -> None:
    def routes(_: dict[str, str]) -> Reply:
        return matrix(*(({"job": "invoice-api", "route": f"/r{n}"}, points(*flat(1))) for n in range(MOST_SERIES + 5)))

    with prometheus(routes) as server:
        found = gathered(server)
    assert found.facts[0].data["metrics"][0] == "cpu_cores{route=/r0}"
    assert len(found.facts[0].data["metrics"]) == MOST_SERIES
    assert found.detail == "cpu_cores: 5 series left out"


def test_warnings_are_said_and_infos_are_not() -> None:
    answer = matrix(
        ({"job": "invoice-api"}, points(*flat(1))),
        warnings=["receive series from Addr: store-2: rpc error: code = Unavailable"],
        infos=["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket"],
    )
    with prometheus(lambda _: answer) as server:
        assert gathered(server).detail == (
            "cpu_cores: receive series from Addr: store-2: rpc error: code = Unavailable"
        )


def test_a_query_that_fails_is_a_gap_and_not_a_failure() -> None:
    def answer(form: dict[str, str]) -> Reply:
        if "memory" in form["query"]:
            envelope = {
                "status": "error",
                "errorType": "execution",
                "error": "query timed out in expression evaluation",
            }
            return Reply(envelope, status=422)
        return step_up(form)

    with prometheus(answer) as server:
        found = gathered(server, queries=TWO)
    assert found.facts
    assert found.detail == "memory_bytes: answered 422: execution: query timed out in expression evaluation"


ENVELOPE = {"status": "error", "errorType": "bad_data", "error": 'invalid parameter "query": 1:5: parse error'}


@pytest.mark.parametrize(
    ("reply", "status", "detail"),
    [
        (Reply("Unauthorized", status=401), CoverageStatus.DENIED, "401"),
        (Reply("forbidden", status=403), CoverageStatus.DENIED, "403"),
        (Reply("404 page not found", status=404), CoverageStatus.ERROR, "404"),
        (Reply(ENVELOPE, status=400), CoverageStatus.ERROR, "bad_data: invalid parameter"),
        (Reply("slow down", status=429, headers={"Retry-After": "7"}), CoverageStatus.ERROR, "retry after 7 s"),
        (Reply("oops", status=500), CoverageStatus.ERROR, "500"),
        (Reply("<html>welcome</html>"), CoverageStatus.ERROR, "JSON"),
        (Reply('{"status":"success","data":{"resultType":"matrix","result":[{"metr'), CoverageStatus.ERROR, "JSON"),
        (Reply({"status": "success", "data": {"resultType": "vector", "result": []}}), CoverageStatus.ERROR, "matrix"),
        (Reply({"healthy": True}), CoverageStatus.ERROR, "not one of Prometheus"),
        (Reply(b" " * 50_000_000), CoverageStatus.ERROR, "larger than"),
    ],
    ids=lambda each: str(each)[:12],
)
def test_when_nothing_could_be_asked_the_failure_says_why(reply: Reply, status: CoverageStatus, detail: str) -> None:
    with prometheus(lambda _: reply) as server, pytest.raises(SourceFailure, match=detail) as failure:
        gathered(server, token=TOKEN)
    assert failure.value.status is status
    assert TOKEN not in failure.value.detail


def test_what_was_answered_is_kept_when_a_query_hangs() -> None:
    hang = threading.Event()

    def answer(form: dict[str, str]) -> Reply:
        if "memory" in form["query"]:
            hang.wait(60)
        return step_up(form)

    with prometheus(answer) as server:
        found = gathered(server, queries=TWO, seconds=2)
        hang.set()
    assert found.facts
    assert found.detail == "memory_bytes: no answer in time"


def test_a_prometheus_that_hangs_is_given_up_at_the_deadline() -> None:
    with StandIn(lambda _: Reply(server.closing.wait(60))) as server, pytest.raises(DeadlineExceeded):
        gathered(server, seconds=0.3)


def test_queries_are_asked_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=30)

    def answer(form: dict[str, str]) -> Reply:
        together.wait()
        return step_up(form)

    with prometheus(answer) as server:
        assert gathered(server, queries=TWO).facts


@pytest.mark.parametrize(
    "result",
    [
        None,
        {"a": 1},
        [
            None,
            7,
            {"metric": 7, "values": 7},
            {"metric": {"job": "invoice-api"}, "values": [[1], "x", None, [9e99, "1"]]},
        ],
        [{"metric": {"job": "invoice-api"}, "histograms": [[1, {"count": "1"}]]}],
        [{"metric": {"job": "somebody-else"}, "values": [[1, "1"]]}],
    ],
)
def test_nonsense_answers_are_survived(result: Any) -> None:
    answer = Reply({"status": "success", "data": {"resultType": "matrix", "result": result}})
    with prometheus(lambda _: answer) as server:
        assert gathered(server).facts == ()


def test_the_queries_that_are_shipped_know_their_places_and_close_what_they_open() -> None:
    queries = read_queries(QUERIES)
    window = Span(0, 3600, 30)
    assert {"requests_per_second", "errors_per_second", "latency_p95_seconds", "container_restarts"} <= set(queries)
    for name, text in queries.items():
        asked = filled(text, "job", ["invoice-api"], window)
        assert "$" not in asked, name
        assert [asked.count(each) for each in "({["] == [asked.count(each) for each in ")}]"], name
        assert asked.count('"') % 2 == 0, name


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (None, "cannot be read"),
        ("- a\n- b\n", "map names"),
        ("a: [", "no YAML"),
        ("a: up", r"a: needs \$services"),
        ('a: up{job=~"$services", x="$host"}', "knows only"),
        ('a: up{job=~"$services$"}', r"\$\$ for a \$"),
        ("".join(f"q{n}: $services\n" for n in range(99)), "more than"),
    ],
)
def test_a_file_of_queries_that_is_wrong_is_told_so(text: str | None, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "queries.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=wrong) as failure:
        read_queries(file)
    assert str(failure.value).startswith("WHYDOWN_PROMETHEUS_QUERIES: ")


def test_it_is_configured_by_its_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PROMETHEUS_URL", raising=False)
    assert PrometheusMetrics.from_settings() is None
    monkeypatch.setenv("PROMETHEUS_URL", "prometheus:9090")
    with pytest.raises(ConfigurationError, match="PROMETHEUS_URL"):
        PrometheusMetrics.from_settings()
    own = tmp_path / "queries.yaml"
    own.write_text('orders: sum by (shop) (orders{shop=~"$services"})')
    with prometheus(step_up) as server:
        monkeypatch.setenv("PROMETHEUS_URL", f"{server.url}/")
        monkeypatch.setenv("WHYDOWN_PROMETHEUS_USER", "whydown")
        with pytest.raises(ConfigurationError, match="WHYDOWN_PROMETHEUS_PASSWORD"):
            PrometheusMetrics.from_settings()
        monkeypatch.setenv("WHYDOWN_PROMETHEUS_PASSWORD", "s3cret")
        monkeypatch.setenv("WHYDOWN_PROMETHEUS_TENANT", "team-a")
        monkeypatch.setenv("WHYDOWN_PROMETHEUS_QUERIES", str(own))
        source = PrometheusMetrics.from_settings()
        assert source is not None
        assert source.probe(Deadline.after(5)) == "1 queries; label of the service: job"
    (asked,) = server.asked
    assert b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"whydown:s3cret"
    assert asked.headers["x-scope-orgid"] == "team-a"
    monkeypatch.setenv("WHYDOWN_PROMETHEUS_TOKEN", TOKEN)
    with pytest.raises(ConfigurationError, match="WHYDOWN_PROMETHEUS_TOKEN") as failure:
        PrometheusMetrics.from_settings()
    assert TOKEN not in str(failure.value) and "s3cret" not in str(failure.value)
    monkeypatch.setenv("WHYDOWN_PROMETHEUS_LABEL", 'app="x"')
    with pytest.raises(ConfigurationError, match="WHYDOWN_PROMETHEUS_LABEL"):
        PrometheusMetrics.from_settings()
