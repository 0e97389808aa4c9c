"""Bodies that real senders sent: what each of them is taken to say, and that it is the same alert when it is over."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.database import Database
from tests.webhook.receivers import receiver_on
from tests.webhook.senders.bodies import DATADOG, FIRING, KUMA, changed, parsed, payload
from tests.webhook.senders.body_table import PAGE, files, page, read
from webhook.senders import SENDERS


def test_the_page_tells_what_becomes_of_every_body() -> None:
    told = PAGE.read_text(encoding="utf-8")
    assert page() == told, "look at what changed, then `python -m tests.webhook.senders.body_table --write`"
    assert all(f"| {file} |" in told for file in files())


@pytest.mark.parametrize("file", [file for file in files() if file.startswith(("alertmanager", "grafana-unified"))])
def test_both_routes_understand_a_list_of_alerts(file: str) -> None:
    told = [
        [(group.key, group.service, group.title, [(alert.fingerprint, alert.firing) for alert in group.alerts])]
        for route in ("alertmanager", "grafana")
        for group in read(file, route).groups
    ]
    half = len(told) // 2
    assert told[:half] == told[half:]


AZURE = "azure-monitor/docs-common-schema-metric-resolved.json"
METRIC = {"description_title": "Errors above 5", "metric_alert": {"id": 9, "projects": ["web"]}}
NEW_RELIC = "newrelic/zulip-workflow-activated-default.json"
OPSGENIE = "opsgenie/zulip-create.json"
PAGERDUTY = "pagerduty/zulip-v3-triggered.json"
PLAIN = FIRING["alert"]
SIGNALFX = "splunk/keep-observability-signalfx.json"
SNS = "aws-sns-cloudwatch/alerta-alarm-notification.json"
ALARM = json.loads(payload(SNS)["Message"])
ZABBIX = "zabbix/zulip-problem.json"

PAIRS: dict[str, tuple[Any, Any]] = {
    "alert": (PLAIN, PLAIN | {"status": "resolved"}),
    "alertmanager": (
        payload("alertmanager/am0.25-single-firing.json"),
        payload("alertmanager/am0.25-single-resolved.json"),
    ),
    "azure-monitor": (FIRING["azure-monitor"], payload(AZURE)),
    "cloudevents": (payload("cdevents/incident_reported.json"), payload("cdevents/incident_resolved.json")),
    "cloudwatch": (payload(SNS), changed(SNS, "Message", to=json.dumps(ALARM | {"NewStateValue": "OK"}))),
    "datadog": (DATADOG, DATADOG | {"title": "[Recovered] errors of web", "alert_transition": "Recovered"}),
    "gcp-monitoring": (
        payload("gcp-monitoring/alerta-stackdriver-open.json"),
        payload("gcp-monitoring/alerta-stackdriver-closed.json"),
    ),
    "generic": (FIRING["generic"], FIRING["generic"] | {"status": "resolved"}),
    "grafana": (payload("grafana-legacy/alerta-alerting.json"), payload("grafana-legacy/alerta-ok.json")),
    "newrelic": (payload(NEW_RELIC), changed(NEW_RELIC, "state", to="CLOSED")),
    "opsgenie": (payload(OPSGENIE), changed(OPSGENIE, "action", to="Close")),
    "pagerduty": (payload(PAGERDUTY), changed(PAGERDUTY, "event", "event_type", to="incident.resolved")),
    "pingdom": (payload("pingdom/alerta-down.json"), payload("pingdom/alerta-up.json")),
    "sentry": ({"action": "critical", "data": METRIC}, {"action": "resolved", "data": METRIC}),
    "splunk": (payload(SIGNALFX), changed(SIGNALFX, "statusExtended", to="ok")),
    "uptime-kuma": (KUMA, KUMA | {"heartbeat": KUMA["heartbeat"] | {"status": 1, "time": "2026-11-23 03:20:00"}}),
    "zabbix": (payload(ZABBIX), changed(ZABBIX, "status", to="RESOLVED")),
}
"""By sender: an alert as it fires and as it is over. Graylog never says that one is over."""


def test_every_sender_that_says_when_an_alert_is_over_has_a_pair() -> None:
    assert set(PAIRS) == set(SENDERS.names()) - {"graylog"}


@pytest.mark.parametrize("sender", PAIRS)
def test_firing_and_over_are_the_same_alert(sender: str, sqlite: Database) -> None:
    firing, over = PAIRS[sender]
    told = [parsed(sender, body).groups[0].alerts[0] for body in (firing, over)]
    assert told[0].fingerprint == told[1].fingerprint
    assert [alert.firing for alert in told] == [True, False]
    client = receiver_on(sqlite).test_client()
    opened, resolved = (client.post(f"/webhook/{sender}", json=body).get_json()["incidents"] for body in (firing, over))
    assert [one["id"] for one in opened] == [one["id"] for one in resolved], "it resolves the incident that it opened"
    shown = client.get(f"/incidents/{opened[0]['id']}").get_json()
    assert shown["resolvedAt"] is not None
    again = client.post(f"/webhook/{sender}", json=over)
    assert (again.status_code, [one["new"] for one in again.get_json()["incidents"]]) in (
        (202, []),
        (202, [False]),
    ), "and opens none of its own"


@pytest.mark.parametrize("sender", PAIRS)
def test_what_is_over_and_was_never_seen_firing_opens_nothing(sender: str, sqlite: Database) -> None:
    answer = receiver_on(sqlite).test_client().post(f"/webhook/{sender}", json=PAIRS[sender][1])
    assert (answer.status_code, answer.get_json()) == (
        202,
        {"incidents": [], "ignored": "resolved, and never seen firing"},
    )
