"""What every sender must do with bodies that are none of its own, or hold nothing: a sender that has no line in the
tables here fails.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from shared.database import Database
from shared.tables import AlertRow, IncidentRow
from tests.webhook.receivers import receiver_on
from tests.webhook.senders.bodies import FIRING, parsed, payload
from tests.webhook.senders.body_table import files
from webhook.alert_list import MAX_ALERTS
from webhook.mapped import MOST_ALERTS
from webhook.senders import SENDERS, MalformedBody, canonical
from webhook.senders.cloud_events import MOST_EVENTS
from webhook.senders.grafana_alerting import MAX_SERIES

NAMES = SENDERS.names()

PINGS: dict[str, list[tuple[Any, str | None]]] = {
    "alert": [({"serviceName": "web", "alertTitle": "Trying it out"}, None)],
    "alertmanager": [({"version": "4", "status": "firing", "alerts": []}, "holds no alerts")],
    "azure-monitor": [
        (
            {
                "schemaId": "azureMonitorCommonAlertSchema",
                "data": {
                    "essentials": {
                        "alertId": "/subscriptions/1/providers/Microsoft.AlertsManagement/alerts/1",
                        "alertRule": "test-metricAlertRule",
                        "severity": "Sev3",
                        "signalType": "Metric",
                        "monitorCondition": "Fired",
                        "alertTargetIDs": ["/subscriptions/1/resourcegroups/test-rg/providers/x/test-storage"],
                        "configurationItems": ["test-storage"],
                        "firedDateTime": "2026-11-23T03:12:00.1234567Z",
                    },
                    "alertContext": {"properties": None, "condition": {"allOf": []}},
                    "customProperties": None,
                },
            },
            None,
        )
    ],
    "cloudevents": [
        ({"specversion": "1.0", "type": "com.example.ping", "source": "/x", "id": "1"}, "com.example.ping"),
        ([], "no events"),
    ],
    "cloudwatch": [
        (payload("aws-sns-cloudwatch/alerta-subscription-confirmation.json"), "waits to be confirmed"),
        ({"Type": "Notification", "TopicArn": "arn:x", "Message": "hello"}, "no CloudWatch alarm"),
        ({"Type": "UnsubscribeConfirmation", "TopicArn": "arn:x", "Message": "bye"}, "was ended"),
    ],
    "datadog": [(payload("datadog/keep-webhook-template.json"), "$VARIABLES")],
    "gcp-monitoring": [
        (
            {
                "version": "test",
                "incident": {
                    "incident_id": "12345",
                    "started_at": 0,
                    "ended_at": 0,
                    "state": "OPEN",
                    "summary": "Test Incident",
                    "resource": {"type": "example_resource", "labels": {"example": "label"}},
                    "resource_name": "Example Resource",
                    "condition_name": "Example condition",
                    "documentation": None,
                },
            },
            None,
        )
    ],
    "generic": [
        ({"title": "Trying it out", "status": "test"}, "the status test"),
        ({"title": "{{ title }}", "service": "{{ service }}"}, "variables"),
    ],
    "grafana": [
        (
            {
                "receiver": "test",
                "status": "firing",
                "groupKey": "test-57c6d9296de2ad39-1740000000",
                "alerts": [
                    {
                        "status": "firing",
                        "labels": {"alertname": "TestAlert", "instance": "Grafana"},
                        "annotations": {"summary": "Notification test"},
                        "startsAt": "2026-11-23T03:12:00.000000001+01:00",
                        "endsAt": "0001-01-01T00:00:00Z",
                        "values": None,
                    }
                ],
            },
            None,
        ),
        (payload("grafana-legacy/alerta-test-notification.json"), None),
    ],
    "graylog": [
        (
            {
                "event_definition_id": "NotificationTestId",
                "event_definition_type": "test-dummy-v1",
                "event_definition_title": "Event Definition Test Title",
                "event": {"id": "TEST_NOTIFICATION_ID", "timestamp": "2026-11-23T03:12:00.000Z", "priority": 2},
                "backlog": [],
            },
            None,
        )
    ],
    "newrelic": [
        ({"current_state": "test", "condition_name": "New Relic Alert - Test Condition"}, "the status test"),
        ({"id": "{{ json issueId }}", "title": "{{ json annotations.title.[0] }}"}, "variables"),
    ],
    "opsgenie": [
        ({"action": "Create", "integrationName": "Webhook", "integrationId": "1"}, "a test of the integration"),
        ({"action": "AddNote", "alert": {"message": "x"}, "integrationId": "1"}, "AddNote"),
    ],
    "pagerduty": [
        (
            {
                "event": {
                    "id": "01",
                    "event_type": "pagey.ping",
                    "resource_type": "pagey",
                    "occurred_at": "2026-11-23T03:12:00.000Z",
                    "data": {"message": "Hello from your friend Pagey!", "type": "ping"},
                }
            },
            "pagey.ping",
        )
    ],
    "pingdom": [
        ({"check_id": 1, "check_name": "Test", "current_state": "UP", "previous_state": "DOWN"}, "never seen firing")
    ],
    "sentry": [
        (
            {
                "action": "created",
                "installation": {"uuid": "1"},
                "data": {"installation": {"status": "pending", "uuid": "1"}},
                "actor": {"id": 1, "type": "user"},
            },
            "installation",
        ),
        ({"action": "assigned", "data": {"issue": {"id": "1", "title": "x"}}}, "assigned"),
        ({"action": "created", "data": {"comment": "x", "issue_id": 1}}, "opens no incident"),
    ],
    "splunk": [({"messageTitle": "Test", "incidentId": "1", "statusExtended": "ok"}, "never seen firing")],
    "uptime-kuma": [
        ({"heartbeat": None, "monitor": None, "msg": "My notification Testing"}, "My notification Testing"),
        ({"heartbeat": {"status": 3}, "monitor": {"name": "shop"}, "msg": "x"}, "under maintenance"),
    ],
    "zabbix": [({"trigger": "{EVENT.NAME}", "hostname": "{HOST.NAME}", "status": "{EVENT.STATUS}"}, "variables")],
}
"""By sender: what its test button, or whoever tries it out, sends, and what of it is said to be ignored; None for what
opens an incident.
"""


@pytest.fixture
def client(sqlite: Database) -> FlaskClient:
    """A receiver that anybody may ask."""
    return receiver_on(sqlite).test_client()


def test_every_sender_has_its_lines() -> None:
    assert set(PINGS) == set(FIRING) == set(NAMES)


@pytest.mark.parametrize("sender", NAMES)
def test_its_own_body_opens_an_incident(sender: str, client: FlaskClient) -> None:
    answer = client.post(f"/webhook/{sender}", json=FIRING[sender])
    assert (answer.status_code, answer.get_json()["incidents"][0]["new"]) == (202, True)


@pytest.mark.parametrize("sender", NAMES)
def test_pings_are_accepted_and_said(sender: str, client: FlaskClient) -> None:
    for body, ignored in PINGS[sender]:
        answer = client.post(f"/webhook/{sender}", json=body)
        said = answer.get_json()
        assert answer.status_code == 202, said
        assert len(said["incidents"]) == (ignored is None), said
        assert ignored is None or ignored in said["ignored"]


@pytest.mark.parametrize("sender", NAMES)
def test_a_neighbours_body_is_taken_or_sent_to_the_right_route(sender: str, client: FlaskClient) -> None:
    for neighbour in NAMES:
        answer = client.post(f"/webhook/{sender}", json=FIRING[neighbour])
        said = answer.get_json()
        if answer.status_code == 202:
            assert said["incidents"] or said["ignored"], neighbour
            continue
        assert (answer.status_code, answer.content_type) == (422, "application/problem+json"), neighbour
        assert said["field"], neighbour
        assert said["field"] in said["detail"], neighbour
        if any(field in FIRING[neighbour] for field in SENDERS.load(neighbour).telling):
            assert f"/webhook/{neighbour}" in said["detail"], neighbour


@pytest.mark.parametrize("sender", NAMES)
def test_every_body_that_we_have_is_taken_or_refused_with_a_reason(sender: str) -> None:
    for file in files():
        try:
            delivery = parsed(sender, payload(file))
        except MalformedBody as refusal:
            assert refusal.field in refusal.detail if refusal.field else refusal.detail, file
        else:
            assert delivery.groups or delivery.ignored, file


@pytest.mark.parametrize("sender", NAMES)
def test_a_body_that_holds_nothing_is_refused_with_the_reason(sender: str, client: FlaskClient) -> None:
    for raw in (b"", b" ", b"\xef\xbb\xbf", b"{", b"nonsense"):
        answer = client.post(f"/webhook/{sender}", data=raw, content_type="application/json")
        assert (answer.status_code, answer.content_type) == (400, "application/problem+json")
        assert answer.get_json()["detail"]
    bodies: tuple[Any, ...] = ({}, {"ping": True}, "text", 5, False, None, [[]], [None])
    for body in bodies:
        answer = client.post(f"/webhook/{sender}", data=json.dumps(body), content_type="application/json")
        assert (answer.status_code, answer.content_type) == (422, "application/problem+json"), (body, answer.text)
        assert len(answer.get_json()["detail"]) > 20
    assert client.post(f"/webhook/{sender}", data=b"{}", content_type="application/xml").status_code == 415


def _listed(number: int) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "Many", "service": "web", "pod": f"web-{number}"},
        "startsAt": "2026-11-23T03:12:00Z",
        "fingerprint": f"{number:016x}",
    }


def _event(number: int) -> dict[str, Any]:
    plain = {
        "serviceName": "web",
        "alertTitle": "Many",
        "fingerprint": str(number),
        "startedAt": "2026-11-23T03:12:00Z",
    }
    return {"specversion": "1.0", "type": "com.example.alert", "source": "/x", "id": str(number), "data": plain}


def _mapped(number: int) -> dict[str, Any]:
    return {"title": "Many", "service": "web", "id": str(number), "time": 1795400000}


MANY: dict[str, tuple[Any, int, int]] = {
    "alertmanager": (lambda n: {"groupKey": "g", "alerts": list(map(_listed, range(n)))}, MAX_ALERTS, 1),
    "grafana": (lambda n: {"groupKey": "g", "alerts": list(map(_listed, range(n)))}, MAX_ALERTS, 1),
    "cloudevents": (lambda n: list(map(_event, range(n))), MOST_EVENTS, 1_000),
    "generic": (lambda n: {"events": list(map(_mapped, range(n)))}, MOST_ALERTS, 1_000),
}
"""By sender whose body may hold many alerts: one that holds so many, the most that are read, the incidents of 1,000."""


@pytest.mark.parametrize("sender", MANY)
def test_a_thousand_alerts_in_one_body_are_all_stored(
    sender: str, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    _map_generic(monkeypatch, tmp_path)
    body, _, incidents = MANY[sender]
    client = receiver_on(database).test_client()
    answer = client.post(f"/webhook/{sender}", json=body(1_000))
    assert (answer.status_code, len(answer.get_json()["incidents"])) == (202, incidents)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AlertRow)) == 1_000
        assert session.scalar(select(func.count()).select_from(IncidentRow)) == incidents


@pytest.mark.parametrize("sender", MANY)
def test_what_is_too_much_for_one_body_is_counted(sender: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    _map_generic(monkeypatch, tmp_path)
    body, most, _ = MANY[sender]
    groups = parsed(sender, body(most + 7)).groups
    assert sum(len(group.alerts) for group in groups) == most
    assert {group.truncated for group in groups} == {7}


@pytest.mark.parametrize("sender", ["cloudevents", "generic"])
def test_one_that_is_broken_loses_none_of_the_others(
    sender: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    _map_generic(monkeypatch, tmp_path)
    body = MANY[sender][0](3)
    listed = body if isinstance(body, list) else body["events"]
    listed[1:2] = [{"nothing": "known"}, None, 5]
    told = parsed(sender, body)
    assert sum(len(group.alerts) for group in told.groups) == 2
    assert told.ignored is not None
    assert told.ignored.startswith("3 of 5 could not be read: t")
    listed[:] = [None, {}]
    with pytest.raises(MalformedBody):
        parsed(sender, body)


def test_a_legacy_rule_of_a_thousand_series_is_one_alert() -> None:
    series = [{"metric": "cpu", "value": n, "tags": {"service": "web"}} for n in range(MAX_SERIES + 7)]
    (group,) = parsed("grafana", {"ruleId": 1, "ruleName": "x", "state": "alerting", "evalMatches": series}).groups
    assert (len(group.alerts), group.truncated) == (1, 7)


@pytest.mark.parametrize("sender", [name for name in NAMES if name not in MANY])
def test_a_thousand_alerts_for_a_sender_of_single_ones_are_refused(sender: str, client: FlaskClient) -> None:
    answer = client.post(f"/webhook/{sender}", json=[{}] * 1_000)
    assert answer.status_code == 422
    assert "must be a JSON object, not a list" in answer.get_json()["detail"]


def _map_generic(monkeypatch: pytest.MonkeyPatch, folder: Any) -> None:
    path = folder / "map.yaml"
    path.write_text("alerts: events\ntitle: title\nservice: service\nfingerprint: id\nstartedAt: time\n")
    monkeypatch.setenv("WHYDOWN_GENERIC_MAP", str(path))


def test_names_and_aliases_lead_to_one_sender_each() -> None:
    spelled = NAMES + [alias for _, kind in SENDERS for alias in kind.aliases]
    folded = ["".join(filter(str.isalnum, name.lower())) for name in spelled]
    assert len(folded) == len(set(folded))
    assert {canonical(name) for name in spelled} == set(NAMES)
