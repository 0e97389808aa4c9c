"""GET /metrics: what Prometheus reads, on both engines, and what the dashboard and the alert rules ask of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from shared.database import Database
from shared.incident import Coverage, CoverageStatus, Usage
from shared.store import admission, endings, findings, spending, work
from shared.store.spending import Budget, Call
from tests.webhook.investigations import alert, conclude
from tests.webhook.receivers import API, WEBHOOK, guarded_receiver_on, receiver_on

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"


def _figures(client: FlaskClient) -> dict[tuple[str, tuple[str, ...]], float]:
    answer = client.get("/metrics", headers=API)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def _gathered(database: Database, incident_id: str) -> None:
    """Asks one source that is slow and one that times out, and leaves the diagnosis to nobody."""
    admission.admit(database, 99)
    claim = work.claim(database, f"{incident_id}.1.investigate")
    assert claim is not None
    resolution = findings.Resolution({}, "search", None, sources=("logs.loki", "changes.git"))
    for number, work_id in enumerate(findings.resolve(database, claim, resolution)):
        gathering = work.claim(database, work_id)
        assert gathering is not None
        status = CoverageStatus.TIMEOUT if number else CoverageStatus.OK
        line = Coverage(source=gathering.subject, status=status, millis=1500)
        opened = findings.gathered(database, gathering, (), line)
    diagnosing = work.claim(database, opened[0])
    assert diagnosing is not None
    endings.fail(database, diagnosing, "nobody knows")


def test_what_happened_is_counted(database: Database) -> None:
    client = receiver_on(database).test_client()
    conclude(database, alert(client))
    _gathered(database, alert(client, serviceName="search"))
    alert(client, serviceName="billing")
    number = spending.note(database, Call("inc1", 1, "search", "openai", "gpt-4o", 10), Budget())
    usage = Usage(input_tokens=1000, output_tokens=200, cached_tokens=300, cost_usd=0.25)
    spending.settle(database, number, "gpt-4o", usage)
    found = _figures(client)
    assert found["whydown_incidents", ("done",)] == 1
    assert found["whydown_incidents", ("failed",)] == 1
    assert found["whydown_incidents", ("skipped",)] == 0
    assert found["whydown_queue_waiting", ()] == 1
    assert 0 <= found["whydown_queue_oldest_seconds", ()] < 60
    assert found["whydown_investigations_under_way", ()] == 0
    assert found["whydown_work", ("investigate", "waiting")] == 1
    assert found["whydown_diagnosis_seconds_count", ()] == 1, "what failed has no diagnosis"
    assert found["whydown_diagnosis_seconds_bucket", ("900.0",)] == 1
    assert 0 < found["whydown_diagnosis_seconds_sum", ()] < 60
    assert found["whydown_diagnoses_total", ("brief",)] == 1
    assert found["whydown_source_asked", ("changes.git", "timeout")] == 1
    assert found["whydown_source_asked", ("logs.loki", "ok")] == 1
    assert found["whydown_source_mean_seconds", ("logs.loki",)] == pytest.approx(1.5)
    assert found["whydown_model_calls_total", ("gpt-4o", "openai")] == 1
    assert found["whydown_model_tokens_total", ("cached", "gpt-4o", "openai")] == 300
    assert found["whydown_model_cost_usd_total", ("gpt-4o", "openai")] == 0.25
    assert found["whydown_deliveries", ("dead",)] == 0


def test_an_empty_installation_has_figures_too(database: Database) -> None:
    found = _figures(receiver_on(database).test_client())
    assert found["whydown_incidents", ("queued",)] == 0
    assert found["whydown_brief_seconds_count", ()] == 0
    assert found["whydown_brief_seconds_bucket", ("+Inf",)] == 0


def test_openmetrics_where_it_is_asked_for(database: Database) -> None:
    client = receiver_on(database).test_client()
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


def test_only_for_the_api_token(database: Database) -> None:
    client = guarded_receiver_on(database).test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=WEBHOOK).status_code == 401


def _asked(queries: list[str]) -> set[str]:
    return {name for query in queries for name in re.findall(r"whydown_\w+", query)}


def _told(database: Database) -> set[str]:
    client = receiver_on(database).test_client()
    return {_base(name) for name in re.findall(r"^# TYPE (\w+) ", client.get("/metrics").text, re.MULTILINE)}


def _base(name: str) -> str:
    return re.sub(r"_(bucket|count|sum|total)$", "", name)


def test_the_dashboard_and_the_rules_ask_for_what_there_is(sqlite: Database) -> None:
    dashboard: dict[str, Any] = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    rules: dict[str, Any] = yaml.safe_load((MONITORING / "prometheus-rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    told = _told(sqlite)
    for queries in (panels, [rule["expr"] for rule in alerts]):
        assert len(queries) > 5
        assert {_base(name) for name in _asked(queries)} - told == set()
    for rule in alerts:
        assert set(rule) >= {"alert", "expr", "for", "labels", "annotations"}
        assert {"summary", "description"} <= set(rule["annotations"])
