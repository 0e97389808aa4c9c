"""What vendors' bodies tell beyond the table of docs/senders/bodies.md, and what becomes of those that tell nothing."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.alert import Severity
from shared.database import Database
from shared.errors import ConfigurationError
from tests.webhook.receivers import receiver_on
from tests.webhook.senders.bodies import FIRING, KUMA, PAYLOADS, changed, parsed, payload
from tests.webhook.senders.body_table import files, route_of
from webhook.body import parse
from webhook.moments import moment_of
from webhook.reported_alert import Reported, tags_of
from webhook.senders import SENDERS, MalformedBody, canonical

AZURE = "azure-monitor/docs-common-schema-metric-resolved.json"
PAGERDUTY = "pagerduty/zulip-v3-triggered.json"
SNS = "aws-sns-cloudwatch/alerta-alarm-notification.json"


def test_details_that_a_body_tells() -> None:
    (kuma,) = parsed("uptimekuma", KUMA).groups
    alert = kuma.alerts[0]
    assert (kuma.service, kuma.title, alert.errors) == ("web", "shop is down", "connect ECONNREFUSED")
    assert str(alert.starts_at) == "2026-11-23 03:12:00.123000+00:00"
    issue = parsed("sentry", payload("sentry/zulip-issue-alert-python-exception.json")).groups[0].alerts[0]
    assert issue.errors is not None
    assert issue.errors.startswith("Exception: Custom exception!\n    at <module> (trigger-exception.py:")
    priority = changed(PAGERDUTY, "event", "data", "priority", to={"summary": "P1"})
    assert parsed("pagerduty", priority).groups[0].alerts[0].severity is Severity.CRITICAL
    role = changed(AZURE, "data", "customProperties", to={"service": "invoice-api"})
    assert parsed("azure-monitor", role).groups[0].service == "invoice-api"


def test_an_incident_that_is_opened_again_fires_again(sqlite: Database) -> None:
    client = receiver_on(sqlite).test_client()
    counts = []
    for hour, what in ((13, "triggered"), (14, "escalated"), (15, "reopened")):
        body = changed(PAGERDUTY, "event", "data", "created_at", to="2021-06-04T13:00:00Z")
        body["event"] |= {"event_type": f"incident.{what}", "occurred_at": f"2021-06-04T{hour}:00:00Z"}
        (incident,) = client.post("/webhook/pagerduty", json=body).get_json()["incidents"]
        counts.append(client.get(f"/incidents/{incident['id']}").get_json()["fireCount"])
    assert counts == [1, 1, 2]


def test_what_opens_no_incident_is_accepted_and_said() -> None:
    acknowledged = changed(PAGERDUTY, "event", "event_type", to="incident.acknowledged")
    assert parsed("pagerduty", acknowledged).ignored == "the event incident.acknowledged opens no incident"
    ping = changed(PAGERDUTY, "event", "event_type", to="pagey.ping")
    assert "pagey.ping" in str(parsed("pagerduty", ping).ignored)
    assert "AddNote" in str(parsed("opsgenie", {"action": "AddNote", "alert": {"message": "x"}}).ignored)
    assert "installation" in str(parsed("sentry", {"action": "created", "data": {"installation": {}}}).ignored)
    assert "maintenance" in str(parsed("uptime-kuma", {**KUMA, "heartbeat": {"status": 3}}).ignored)
    test_button = {"heartbeat": None, "monitor": None, "msg": "Testing"}
    assert "test" in str(parsed("uptime-kuma", test_button).ignored)


def test_cloud_events_in_every_form() -> None:
    incident = payload("cdevents/incident_reported.json")
    structured = {
        "specversion": "1.0",
        "type": incident["context"]["type"],
        "source": "/x",
        "id": "1",
        "data": incident,
    }
    binary = parsed("cloudevents", incident, ce_type=incident["context"]["type"], ce_id="1", ce_source="/x")
    batch = parsed("cloudevents", [structured, payload("cdevents/service_deployed.json")])
    for delivery in (parsed("cloudevents", structured), binary, batch, parsed("cloudevents", incident)):
        (group,) = delivery.groups
        assert (group.service, group.title) == ("myApp", "Response time above threshold of 100ms")
    plain = {
        "specversion": "1.0",
        "type": "com.example.alert",
        "source": "/x",
        "id": "1",
        "data": {"serviceName": "web"},
    }
    assert parsed("cloudevents", plain).groups[0].service == "web"


def test_a_cloud_event_sent_again_is_no_new_firing(sqlite: Database) -> None:
    client = receiver_on(sqlite).test_client()
    event = {"specversion": "1.0", "type": "com.example.alert", "source": "/x", "data": {"serviceName": "web"}}
    counts = []
    for number in ("1", "1", "2", None):
        answer = client.post("/webhook/cloudevents", json=event | {"id": number})
        (incident,) = answer.get_json()["incidents"]
        counts.append(client.get(f"/incidents/{incident['id']}").get_json()["fireCount"])
    assert counts == [1, 1, 2, 3]


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
    groups = parsed("generic", body).groups
    assert [(group.key, group.service, group.alerts[0].firing) for group in groups] == [
        ("17", "web", True),
        ("18", "web", False),
    ]
    alert = groups[0].alerts[0]
    assert (alert.title, alert.severity, alert.labels["disk"]) == ("Disk full", Severity.CRITICAL, "sda")
    assert alert.links[0].url == "https://x.example.com/17"
    with pytest.raises(MalformedBody, match="events must be a list"):
        parsed("generic", {"title": "x"})


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


@pytest.mark.parametrize("sender", SENDERS.names())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_wrong_types_anywhere_are_bounded_or_refused(sender: str, data: st.DataObject) -> None:
    bodies = [payload(file) for file in files() if route_of(file) == sender]
    body = data.draw(st.sampled_from([copy.deepcopy(FIRING[sender]), *bodies]))
    for _ in range(3):
        inner, step = body, None
        while isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            keys: list[Any] = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            outer, step = inner, data.draw(st.sampled_from(keys))
            inner = inner[step]
        if step is not None:
            outer[step] = data.draw(ANY_JSON)
    try:
        delivery = parsed(sender, parse(json.dumps(body).encode(), "application/json", None, lambda value: value))
    except MalformedBody as malformed:
        assert malformed.detail
        return
    assert delivery.groups or delivery.ignored
    for group in delivery.groups:
        assert group.service
        assert len(group.service) <= 128
        assert all(alert.title and alert.fingerprint for alert in group.alerts)


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
        ("2026-11-23T03:13:20+01:00", "2026-11-23T02:13:20+00:00"),
        ("2026-11-23T03:13:20.5+0100", "2026-11-23T02:13:20.500000+00:00"),
        ("2026-11-23 02:13:20", "2026-11-23T02:13:20+00:00"),
        ("2026-11-23 02:13:20.123456789 +0000 UTC", "2026-11-23T02:13:20.123456+00:00"),
        ("2026/11/23 02:13:20 GMT", "2026-11-23T02:13:20+00:00"),
        ("Mon, 23 Nov 2026 03:13:20 +0100", "2026-11-23T02:13:20+00:00"),
        (1_795_400_000.75, "2026-11-23T02:13:20+00:00"),
        (1.7954e18, "2026-11-23T02:13:20+00:00"),
        ("1795400000.75", "2026-11-23T02:13:20+00:00"),
        (-5, None),
        ("2026-99-99 02:13:20", None),
        ("Mon, 99 Nov 2026 03:13:20 +0100", None),
        ({}, None),
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
        '{"a": "b"}',
        '[{"tag": "a", "value": "b"}]',
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
