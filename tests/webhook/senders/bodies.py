"""One body of every sender, as it fires: a sender that is not here fails the tests of what all of them must do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from shared.alert import Delivery
from shared.redaction.redactor import Redactor
from webhook.body import parse
from webhook.grouping import Grouping
from webhook.senders import SENDERS, canonical

PAYLOADS: Final = Path(__file__).parents[2] / "payloads"
REDACTOR: Final = Redactor()


def payload(file: str) -> Any:
    """The JSON of a body that was really sent, as senders get to see it."""
    return parse((PAYLOADS / file).read_bytes(), "application/json", None, REDACTOR.value)


def parsed(sender: str, body: Any, **headers: str) -> Delivery:
    """What a sender makes of a body with the default settings; `ce_type` is the header `ce-type`."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return SENDERS.load(canonical(sender))(Grouping()).parse(body, given)


def changed(file: str, *path: str | int, to: Any) -> Any:
    """A body that says something else at one place."""
    body = payload(file)
    inner = body
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return body


KUMA: Final[dict[str, Any]] = {
    "heartbeat": {"monitorID": 7, "status": 0, "time": "2026-11-23 03:12:00.123", "msg": "connect ECONNREFUSED"},
    "monitor": {
        "id": 7,
        "name": "shop",
        "url": "https://shop.example.com",
        "tags": [{"name": "service", "value": "web"}],
    },
    "msg": "[shop] [Down] connect ECONNREFUSED",
}
DATADOG: Final[dict[str, Any]] = {
    "title": "[Triggered] errors of web",
    "tags": "service:web,env:production",
    "alert_cycle_key": "1",
    "alert_transition": "Triggered",
    "date": "1795400000000",
}

FIRING: Final[dict[str, Any]] = {
    "alert": {"serviceName": "web", "alertTitle": "Errors", "startedAt": "2026-11-23T03:12:00Z"},
    "alertmanager": payload("alertmanager/am0.25-single-firing.json"),
    "azure-monitor": payload("azure-monitor/docs-common-schema-metric-resolved.json"),
    "cloudevents": payload("cdevents/incident_reported.json"),
    "cloudwatch": payload("aws-sns-cloudwatch/alerta-alarm-notification.json"),
    "datadog": DATADOG,
    "gcp-monitoring": payload("gcp-monitoring/alerta-stackdriver-open.json"),
    "generic": {"title": "Errors", "service": "web", "id": "17"},
    "grafana": payload("grafana-unified/zulip-v9-mixed-firing-resolved.json"),
    "graylog": payload("graylog/keep-event-notification.json"),
    "newrelic": payload("newrelic/zulip-workflow-activated-default.json"),
    "opsgenie": payload("opsgenie/zulip-create.json"),
    "pagerduty": payload("pagerduty/zulip-v3-triggered.json"),
    "pingdom": payload("pingdom/alerta-down.json"),
    "sentry": payload("sentry/zulip-issue-alert-python-exception.json"),
    "splunk": payload("splunk/keep-observability-signalfx.json"),
    "uptime-kuma": KUMA,
    "zabbix": payload("zabbix/zulip-problem.json"),
}
FIRING["azure-monitor"]["data"]["essentials"]["monitorCondition"] = "Fired"
