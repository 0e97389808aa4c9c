"""Bodies of the other vendors: what each of them is taken to say, and what becomes of those that say nothing."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.alert import Delivery, Severity
from shared.database import Database
from shared.errors import ConfigurationError
from tests.webhook.receivers import receiver_on
from tests.webhook.senders.test_payloads import PAYLOADS, REDACTOR, Told, told
from webhook.body import parse
from webhook.grouping import Grouping
from webhook.reported_alert import Reported, moment_of, tags_of
from webhook.senders import SENDERS, MalformedBody, canonical
from webhook.senders.cloudwatch import TO_CONFIRM

ELSEWHERE = ("alertmanager", "grafana-legacy", "grafana-unified")
"""Folders of bodies that test_payloads.py has."""

ROUTES = {"other": "generic", "elastic-kibana": "generic"}
"""Where bodies go whose folder is no sender's name."""

VENDORS = sorted(set(SENDERS.names()) - {"alert", "alertmanager", "grafana"})

GONE = "versions 1 and 2 of its webhooks are gone: make a version 3 subscription in PagerDuty"

TOLD: dict[str, list[Told] | str] = {
    "aws-sns-cloudwatch/alerta-alarm-insufficient-data.json": "notificationCountAlarm has too little data to tell",
    "aws-sns-cloudwatch/alerta-alarm-notification.json": [
        Told(
            key="1234567890 EU (Ireland) bucketbytesAlarm",
            service="try.alerta.io",
            title="bucketbytesAlarm",
            severities={"unknown"},
            firing=1,
            resolved=0,
            starts_at="2019-02-15T23:53:45.093000Z",
            truncated=0,
        )
    ],
    "aws-sns-cloudwatch/alerta-subscription-confirmation.json": TO_CONFIRM,
    "azure-monitor/docs-common-schema-metric-resolved.json": [
        Told(
            key="3f2d4487-b0fc-4125-8bd5-7ad17384221e_PipeLineAlertRG_microsoft.insights_metricAlerts_WCUS-R2-Gen2_-117781227",
            service="wcus-r2-gen2",
            title="WCUS-R2-Gen2",
            severities={"info"},
            firing=0,
            resolved=1,
            starts_at="2019-03-22T13:58:24.371321Z",
            truncated=0,
        )
    ],
    "cdevents/incident_detected.json": [
        Told(
            key="/monitoring/prod1 incident-123",
            service="myApp",
            title="Response time above threshold of 100ms",
            severities={"unknown"},
            firing=1,
            resolved=0,
            starts_at="2022-11-11T13:52:20.079000Z",
            truncated=0,
        )
    ],
    "cdevents/incident_reported.json": [
        Told(
            key="/monitoring/prod1 incident-123",
            service="myApp",
            title="Response time above threshold of 100ms",
            severities={"warning"},
            firing=1,
            resolved=0,
            starts_at="2022-11-11T13:52:20.079000Z",
            truncated=0,
        )
    ],
    "cdevents/incident_resolved.json": [
        Told(
            key="/monitoring/prod1 incident-123",
            service="myApp",
            title="Response time restored below 100ms",
            severities={"unknown"},
            firing=0,
            resolved=1,
            starts_at=None,
            truncated=0,
        )
    ],
    "cdevents/service_deployed.json": "no incident is told: dev.cdevents.service.deployed.0.3.0",
    "cdevents/service_rolledback.json": "no incident is told: dev.cdevents.service.rolledback.0.3.0",
    "cloudevents/spec-batch.json": "no incident is told: com.example.someevent, com.example.someotherevent",
    "cloudevents/spec-structured-base64-data.json": "no incident is told: com.example.someevent",
    "cloudevents/spec-structured-json-data.json": "no incident is told: com.example.someevent",
    "datadog/keep-webhook-template.json": "its $VARIABLES were not filled in: a test of the template",
    "elastic-kibana/keep-webhook-template.json": "its {{variables}} were not filled in: a test of a template",
    "gcp-monitoring/alerta-stackdriver-closed.json": [
        Told(
            key="f2e08c333dc64cb09f75eaab355393bz",
            service="webserver-85",
            title="CPU usage",
            severities={"unknown"},
            firing=0,
            resolved=1,
            starts_at="2017-07-06T19:10:14Z",
            truncated=0,
        )
    ],
    "gcp-monitoring/alerta-stackdriver-open.json": [
        Told(
            key="f2e08c333dc64cb09f75eaab355393bz",
            service="webserver-85",
            title="CPU usage",
            severities={"unknown"},
            firing=1,
            resolved=0,
            starts_at="2017-07-06T19:10:14Z",
            truncated=0,
        )
    ],
    "gcp-monitoring/keep-5XX_errors_production.json": [
        Told(
            key="prod-5xx-123",
            service="Production Web Cluster",
            title="5XX Error Rate > 5%",
            severities={"critical"},
            firing=1,
            resolved=0,
            starts_at=None,
            truncated=0,
        )
    ],
    "gcp-monitoring/keep-high_memory_usage.json": [
        Told(
            key="mem-234",
            service="Production Web Server 1",
            title="Memory Usage > 90%",
            severities={"warning"},
            firing=1,
            resolved=0,
            starts_at=None,
            truncated=0,
        )
    ],
    "graylog/alerta-alarm-callback.json": [
        Told(
            key="5e7a9c8d-9bb1-47b6-b8db-4a3a83a25e0c",
            service="127.0.0.1",
            title="test",
            severities={"unknown"},
            firing=1,
            resolved=0,
            starts_at="2015-09-10T09:45:54.749000Z",
            truncated=0,
        )
    ],
    "graylog/keep-event-notification.json": [
        Told(
            key="671a28a03696bb3801a7a9f1",
            service="server",
            title="Event - 1",
            severities={"high"},
            firing=1,
            resolved=0,
            starts_at="2024-10-24T10:22:04.556000Z",
            truncated=0,
        )
    ],
    "newrelic/alerta-legacy-violation.json": [
        Told(
            key="0",
            service="New Relic Alert - Test Condition",
            title="New Relic Alert - Test Condition",
            severities={"info"},
            firing=1,
            resolved=0,
            starts_at="2020-09-25T11:23:27.849000Z",
            truncated=0,
        )
    ],
    "newrelic/zulip-workflow-activated-default.json": [
        Told(
            key="c5faa7e6-7b54-402d-af79-f99601e0278c",
            service="zulip_app",
            title="zulip_app query result is > 1.0 for 1 minutes on 'Zulip Server Low Storage'",
            severities={"critical"},
            firing=1,
            resolved=0,
            starts_at="2024-04-22T03:05:31.352000Z",
            truncated=0,
        )
    ],
    "opsgenie/zulip-create.json": [
        Told(
            key="alert-alias",
            service="Server",
            title="another alert",
            severities={"warning"},
            firing=1,
            resolved=0,
            starts_at="2017-08-14T11:25:56.288000Z",
            truncated=0,
        )
    ],
    "other/alerta-riemann.json": [
        Told(
            key="33393ea23ae9de379c546327614782ed",
            service="servicejane",
            title="This is a description",
            severities={"unknown"},
            firing=0,
            resolved=1,
            starts_at=None,
            truncated=0,
        )
    ],
    "other/alerta-vmware-vrealize.json": [
        Told(
            key="sample-alert-uuid",
            service="sample-object-name",
            title="sample-info",
            severities={"unknown"},
            firing=1,
            resolved=0,
            starts_at="2013-05-28T16:09:06.267000Z",
            truncated=0,
        )
    ],
    "other/keep-axiom.json": [
        Told(
            key="Rxg89nIwu9WwrOsJKA",
            service="unknown",
            title="Triggered: New monitor",
            severities={"unknown"},
            firing=1,
            resolved=0,
            starts_at=None,
            truncated=0,
        )
    ],
    "other/keep-checkly-recovery.json": [
        Told(
            key="927a2982-1007-4b81-b383-eae8bf717e61",
            service="API Check #1",
            title="API Check #1",
            severities={"unknown"},
            firing=0,
            resolved=1,
            starts_at="2025-01-26T11:19:40.544000Z",
            truncated=0,
        )
    ],
    "other/keep-coralogix.json": [
        Told(
            key="49a4afb5-9231-418d-94ea-3a7546779658",
            service="unknown",
            title="Keep",
            severities={"unknown"},
            firing=1,
            resolved=0,
            starts_at=None,
            truncated=0,
        )
    ],
    "pagerduty/alerta-v1-messages-acknowledge.json": GONE,
    "pagerduty/zulip-v3-triggered.json": [
        Told(
            key="PFQZPSY",
            service="pig208",
            title="Test Incident 3",
            severities={"high"},
            firing=1,
            resolved=0,
            starts_at="2021-06-04T13:35:29.781000Z",
            truncated=0,
        )
    ],
    "pingdom/alerta-down.json": [
        Told(
            key="803318",
            service="Alerta API on OpenShift",
            title="Alerta API on OpenShift",
            severities={"high"},
            firing=1,
            resolved=0,
            starts_at="2017-06-30T22:25:43Z",
            truncated=0,
        )
    ],
    "pingdom/alerta-up.json": [
        Told(
            key="803318",
            service="Alerta API on OpenShift",
            title="Alerta API on OpenShift",
            severities={"high"},
            firing=0,
            resolved=1,
            starts_at="2017-06-30T22:30:43Z",
            truncated=0,
        )
    ],
    "sentry/keep-legacy-plugin-browser_timeout.json": [
        Told(
            key="https://keep-dr.sentry.io/issues/4616132097/",
            service="frontend-app",
            title="Failed to fetch user profile",
            severities={"high"},
            firing=1,
            resolved=0,
            starts_at="2024-03-09T13:34:45Z",
            truncated=0,
        )
    ],
    "sentry/zulip-issue-alert-python-exception.json": [
        Told(
            key="https://sentry.io/organizations/hypro999-personal-organization/issues/1635244907",
            service="zulip-integration-testing",
            title="Exception: Custom exception!",
            severities={"high"},
            firing=1,
            resolved=0,
            starts_at="2020-04-28T13:56:05.903736Z",
            truncated=0,
        )
    ],
    "splunk/keep-observability-signalfx.json": [
        Told(
            key="1234",
            service="unknown",
            title="Manually resolved: logs (logs)",
            severities={"critical"},
            firing=1,
            resolved=0,
            starts_at=None,
            truncated=0,
        )
    ],
    "zabbix/zulip-problem.json": [
        Told(
            key="https://zabbix.example.com/tr_events.php?triggerid=14032&eventid=10528",
            service="www.example.com",
            title="Zabbix agent on www.example.com is unreachable for 5 minutes",
            severities={"high"},
            firing=1,
            resolved=0,
            starts_at=None,
            truncated=0,
        )
    ],
}


def _parsed(sender: str, body: Any, **headers: str) -> Delivery:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return SENDERS.load(canonical(sender))(Grouping()).parse(body, given_headers)


def _read(file: str) -> Any:
    return parse((PAYLOADS / file).read_bytes(), "application/json", None, REDACTOR.value)


def _sender(file: str) -> str:
    folder = file.partition("/")[0]
    return ROUTES.get(folder, folder)


@pytest.mark.parametrize("file", TOLD)
def test_what_each_body_says(file: str) -> None:
    delivery = _parsed(_sender(file), _read(file))
    assert (delivery.ignored or [told(group) for group in delivery.groups]) == TOLD[file]


def test_the_table_has_every_body() -> None:
    found = {str(file.relative_to(PAYLOADS)) for file in PAYLOADS.glob("*/*.json")}
    assert set(TOLD) == {file for file in found if not file.startswith(ELSEWHERE)}


def _pair(sender: str, firing: Any, over: Any) -> None:
    """The same alert, firing and then over."""
    first, second = (_parsed(sender, body).groups[0] for body in (firing, over))
    assert (first.key, first.service) == (second.key, second.service)
    assert first.alerts[0].fingerprint == second.alerts[0].fingerprint
    assert [alert.firing for group in (first, second) for alert in group.alerts] == [True, False]


def _changed(file: str, *path: str | int, to: Any) -> Any:
    body = _read(file)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return body


PAGERDUTY = "pagerduty/zulip-v3-triggered.json"
SNS = "aws-sns-cloudwatch/alerta-alarm-notification.json"
AZURE = "azure-monitor/docs-common-schema-metric-resolved.json"
KUMA = {
    "heartbeat": {"monitorID": 7, "status": 0, "time": "2026-11-23 03:12:00.123", "msg": "connect ECONNREFUSED"},
    "monitor": {
        "id": 7,
        "name": "shop",
        "url": "https://shop.example.com",
        "tags": [{"name": "service", "value": "web"}],
    },
    "msg": "[shop] [Down] connect ECONNREFUSED",
}


def test_firing_and_over_are_the_same_alert() -> None:
    _pair("pagerduty", _read(PAGERDUTY), _changed(PAGERDUTY, "event", "event_type", to="incident.resolved"))
    create = "opsgenie/zulip-create.json"
    _pair("opsgenie", _read(create), _changed(create, "action", to="Close"))
    message = json.loads(_read(SNS)["Message"])
    _pair("cloudwatch", _read(SNS), _changed(SNS, "Message", to=json.dumps({**message, "NewStateValue": "OK"})))
    _pair("azure", _changed(AZURE, "data", "essentials", "monitorCondition", to="Fired"), _read(AZURE))
    gcp = "gcp-monitoring/alerta-stackdriver-{}.json"
    _pair("gcp", _read(gcp.format("open")), _read(gcp.format("closed")))
    active = "newrelic/zulip-workflow-activated-default.json"
    _pair("newrelic", _read(active), _changed(active, "state", to="CLOSED"))
    problem = "zabbix/zulip-problem.json"
    _pair("zabbix", _read(problem), _changed(problem, "status", to="RESOLVED"))
    _pair("pingdom", _read("pingdom/alerta-down.json"), _read("pingdom/alerta-up.json"))
    _pair("uptime-kuma", KUMA, {**KUMA, "heartbeat": {**KUMA["heartbeat"], "status": 1}})  # type: ignore[dict-item]
    reported, resolved = _read("cdevents/incident_reported.json"), _read("cdevents/incident_resolved.json")
    _pair("cdevents", reported, resolved)
    rendered = {"title": "errors", "tags": "service:web", "alert_cycle_key": "1", "alert_transition": "Triggered"}
    _pair("datadog", rendered, {**rendered, "alert_transition": "Recovered"})
    metric = {"description_title": "Errors above 5", "metric_alert": {"id": 9, "projects": ["web"]}}
    _pair("sentry", {"action": "critical", "data": metric}, {"action": "resolved", "data": metric})


def test_details_that_a_body_tells() -> None:
    (kuma,) = _parsed("uptimekuma", KUMA).groups
    alert = kuma.alerts[0]
    assert (kuma.service, kuma.title, alert.errors) == ("web", "shop is down", "connect ECONNREFUSED")
    assert str(alert.starts_at) == "2026-11-23 03:12:00.123000+00:00"
    issue = _parsed("sentry", _read("sentry/zulip-issue-alert-python-exception.json")).groups[0].alerts[0]
    assert issue.errors is not None
    assert issue.errors.startswith("Exception: Custom exception!\n    at <module> (trigger-exception.py:")
    priority = _changed(PAGERDUTY, "event", "data", "priority", to={"summary": "P1"})
    assert _parsed("pagerduty", priority).groups[0].alerts[0].severity is Severity.CRITICAL
    role = _changed(AZURE, "data", "customProperties", to={"service": "invoice-api"})
    assert _parsed("azure-monitor", role).groups[0].service == "invoice-api"


def test_what_opens_no_incident_is_accepted_and_said() -> None:
    acknowledged = _changed(PAGERDUTY, "event", "event_type", to="incident.acknowledged")
    assert _parsed("pagerduty", acknowledged).ignored == "the event incident.acknowledged opens no incident"
    ping = _changed(PAGERDUTY, "event", "event_type", to="pagey.ping")
    assert "pagey.ping" in str(_parsed("pagerduty", ping).ignored)
    assert "AddNote" in str(_parsed("opsgenie", {"action": "AddNote", "alert": {"message": "x"}}).ignored)
    assert "installation" in str(_parsed("sentry", {"action": "created", "data": {"installation": {}}}).ignored)
    assert "maintenance" in str(_parsed("uptime-kuma", {**KUMA, "heartbeat": {"status": 3}}).ignored)
    test_button = {"heartbeat": None, "monitor": None, "msg": "Testing"}
    assert "test" in str(_parsed("uptime-kuma", test_button).ignored)


def test_cloud_events_in_every_form() -> None:
    incident = _read("cdevents/incident_reported.json")
    structured = {
        "specversion": "1.0",
        "type": incident["context"]["type"],
        "source": "/x",
        "id": "1",
        "data": incident,
    }
    binary = _parsed("cloudevents", incident, ce_type=incident["context"]["type"], ce_id="1", ce_source="/x")
    batch = _parsed("cloudevents", [structured, _read("cdevents/service_deployed.json")])
    for delivery in (_parsed("cloudevents", structured), binary, batch, _parsed("cloudevents", incident)):
        (group,) = delivery.groups
        assert (group.service, group.title) == ("myApp", "Response time above threshold of 100ms")
    plain = {
        "specversion": "1.0",
        "type": "com.example.alert",
        "source": "/x",
        "id": "1",
        "data": {"serviceName": "web"},
    }
    assert _parsed("cloudevents", plain).groups[0].service == "web"


GENERIC = """
alerts: events
title: [payload.what, payload.name]
service: payload.where
fingerprint: ref
status: state
severity: payload.level
startedAt: at
url: link
labels: [payload.labels]
over: [gone]
ignored: dry-run
"""


def test_a_map_reads_any_json(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(GENERIC)
    monkeypatch.setenv("WHYDOWN_GENERIC_MAP", str(path))
    event = {
        "ref": 17,
        "state": "here",
        "at": 1_795_400_000,
        "link": "https://x.example.com/17",
        "payload": {"what": "Disk full", "where": "web", "level": "sev1", "labels": {"disk": "sda"}},
    }
    body = {"events": [event, {**event, "ref": 18, "state": "gone"}, {**event, "ref": 19, "state": "dry-run"}]}
    groups = _parsed("generic", body).groups
    assert [(group.key, group.service, group.alerts[0].firing) for group in groups] == [
        ("17", "web", True),
        ("18", "web", False),
    ]
    alert = groups[0].alerts[0]
    assert (alert.title, alert.severity, alert.labels["disk"]) == ("Disk full", Severity.CRITICAL, "sda")
    assert alert.links[0].url == "https://x.example.com/17"
    with pytest.raises(MalformedBody, match="events must be a list"):
        _parsed("generic", {"title": "x"})


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (None, "cannot be read"),
        ("[]", "must be a map that says at least where `title` stands"),
        ("service: x", "must be a map that says at least where `title` stands"),
        ("title: x\ncolour: y", "colour is none of title, service"),
        ("title: {a: b}", "title must be a path like `incident.title`, or a list of paths"),
        ("title: x\nover: 5", "over must be a word or a list of words"),
        ("title: [", "cannot be read"),
    ],
)
def test_a_broken_map_stops_the_start(
    said: str | None, why: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sqlite: Database
) -> None:
    path = tmp_path / "map.yaml"
    if said is not None:
        path.write_text(said)
    monkeypatch.setenv("WHYDOWN_GENERIC_MAP", str(path))
    with pytest.raises(ConfigurationError, match="WHYDOWN_GENERIC_MAP") as refused:
        receiver_on(sqlite)
    assert why in str(refused.value)


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 10**19)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("sender", VENDORS)
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_wrong_types_anywhere_are_bounded_or_refused(sender: str, data: st.DataObject) -> None:
    files = [file for file in TOLD if canonical(_sender(file)) == sender]
    body = _read(data.draw(st.sampled_from(files))) if files else copy.deepcopy(KUMA)
    for _ in range(3):
        inner, step = body, None
        while isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            keys: list[Any] = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            outer, step = inner, data.draw(st.sampled_from(keys))
            inner = inner[step]
        if step is not None:
            outer[step] = data.draw(ANY_JSON)  # type: ignore[arg-type]
    try:
        delivery = _parsed(sender, parse(json.dumps(body).encode(), "application/json", None, lambda value: value))
    except MalformedBody as malformed:
        assert malformed.detail
        return
    assert delivery.groups or delivery.ignored
    for group in delivery.groups:
        assert group.service
        assert len(group.service) <= 128
        assert all(alert.title and alert.fingerprint for alert in group.alerts)


@pytest.mark.parametrize("sender", VENDORS)
def test_a_neighbours_body_an_empty_one_and_a_ping_are_answered_clearly(sender: str, sqlite: Database) -> None:
    client: FlaskClient = receiver_on(sqlite).test_client()
    bodies: tuple[Any, ...] = ({}, [], {"ping": True}, "text", 5, False)
    for body in (_read("alertmanager/am0.25-single-firing.json"), *bodies):
        answer = client.post(f"/webhook/{sender}", json=body)
        assert answer.status_code in (202, 422), (body, answer.text)
        said = answer.get_json()
        assert said["detail"] if answer.status_code == 422 else "incidents" in said
    assert client.post(f"/webhook/{sender}", data=b"").status_code in (400, 415)


def test_sns_sends_json_as_text(sqlite: Database) -> None:
    client: FlaskClient = receiver_on(sqlite).test_client()
    raw = (PAYLOADS / SNS).read_bytes()
    answer = client.post("/webhook/cloudwatch", data=raw, content_type="text/plain; charset=UTF-8")
    assert answer.status_code == 202
    assert len(answer.get_json()["incidents"]) == 1
    assert client.post("/webhook/pagerduty", data=raw, content_type="text/plain").status_code == 415


@pytest.mark.parametrize(("written", "name"), [("uptime_kuma", "uptime-kuma"), ("GCP", "gcp-monitoring"), ("x", "x")])
def test_senders_are_found_however_they_are_written(written: str, name: str) -> None:
    assert canonical(written) == name


@pytest.mark.parametrize(
    ("shown", "moment"),
    [
        (1_795_400_000, "2026-11-23T02:13:20+00:00"),
        ("1795400000", "2026-11-23T02:13:20+00:00"),
        (1_795_400_000_123, "2026-11-23T02:13:20.123000+00:00"),
        (1_795_400_000_123_456_789, "2026-11-23T02:13:20.123457+00:00"),
        ("2026-11-23T02:13:20.1234567Z", "2026-11-23T02:13:20.123456+00:00"),
        (0, None),
        (True, None),
        ("soon", None),
        (10**30, None),
        (None, None),
    ],
)
def test_moments_as_vendors_write_them(shown: object, moment: str | None) -> None:
    found = moment_of(shown)
    assert (found.isoformat() if found else None) == moment


@pytest.mark.parametrize(
    "shown",
    [
        {"a": "b"},
        ["a:b", "nothing"],
        [["a", "b"]],
        [{"key": "a", "value": "b"}],
        [{"name": "a", "value": "b"}],
        "a:b,c",
    ],
)
def test_tags_as_vendors_write_them(shown: object) -> None:
    assert tags_of(shown) == {"a": "b"}


def test_an_alert_is_bounded_and_says_what_was_cut() -> None:
    labels = {f"label{number}": "x" for number in range(1_000)}
    alert = Reported(title="x" * 5_000, identity="y" * 5_000, labels=labels, pages={"Page": "javascript:x"}).alert()
    assert len(alert.title) <= 512
    assert len(alert.fingerprint) <= 256
    assert len(alert.labels) == 256
    assert alert.links == ()
    assert "744 of 1000 labels were left out" in alert.annotations["whydown_note"]
