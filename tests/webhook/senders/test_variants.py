"""Bodies as other versions, other templates and other settings of the senders send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webhook.senders.bodies import parsed

METRIC_MATH: dict[str, Any] = {
    "AlarmName": "error rate",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:1:alarm:error rate",
    "NewStateValue": "ALARM",
    "StateChangeTime": "2026-11-23T03:12:00.000+0000",
    "Trigger": {
        "Metrics": [
            {"Id": "e1", "Expression": "m1/m2", "ReturnData": True},
            {"Id": "m1", "MetricStat": {"Metric": {"Dimensions": [{"name": "ServiceName", "value": "web"}]}}},
        ]
    },
}
EVENT_BRIDGE = {
    "detail-type": "CloudWatch Alarm State Change",
    "resources": ["arn:aws:cloudwatch:eu-west-1:1:alarm:cpu"],
    "detail": {
        "alarmName": "cpu",
        "state": {"value": "ALARM", "timestamp": "2026-11-23T03:12:00.000+0000", "reason": "above"},
        "configuration": {"metrics": [{"metricStat": {"metric": {"dimensions": {"ServiceName": "web"}}}}]},
    },
}
VARIANTS: list[tuple[str, Any, tuple[str, str, str, bool]]] = [
    ("cloudwatch", METRIC_MATH, ("web", METRIC_MATH["AlarmArn"], "unknown", True)),
    (
        "cloudwatch",
        {"Type": "Notification", "Message": json.dumps(EVENT_BRIDGE)},
        ("web", "arn:aws:cloudwatch:eu-west-1:1:alarm:cpu", "unknown", True),
    ),
    (
        "datadog",
        {"id": "1", "title": "[P2] [Triggered on {host:a}] errors", "alert_type": "error"},
        ("unknown", "errors", "high", True),
    ),
    (
        "datadog",
        {"id": "2", "title": "[P2] [Recovered on {host:a}] errors", "alert_type": "success"},
        ("unknown", "errors", "info", False),
    ),
    (
        "datadog",
        {"event_title": "errors", "alert_id": 9, "tags": "service:web", "alert_transition": "Warn Recovered"},
        ("web", "9", "unknown", False),
    ),
    (
        "zabbix",
        {
            "event_name": "Down",
            "event_id": "7",
            "event_value": "0",
            "event_severity": "Disaster",
            "event_tags_json": '[{"tag":"service","value":"web"}]',
            "host_name": "a",
        },
        ("web", "7", "critical", False),
    ),
    (
        "zabbix",
        {
            "trigger": "Down",
            "event_id": "7",
            "status": "PROBLEM",
            "tags": "service:web, env:prod",
            "hostname": "a",
            "started_at": "{EVENT.TIMESTAMP}",
        },
        ("web", "7", "unknown", True),
    ),
    (
        "pingdom",
        {"check_name": "Shop", "check_id": 1, "current_state": "DOWN", "tags": ["service:web"]},
        ("web", "1", "unknown", True),
    ),
    (
        "splunk",
        {
            "search_name": "Errors",
            "sid": "x",
            "result": {"service": "web", "_raw": "boom"},
            "results_link": "https://splunk.example.com/x",
        },
        ("web", "Errors", "unknown", True),
    ),
    (
        "newrelic",
        {"id": "1", "title": ["Slow"], "impactedEntities": ["web"], "state": "DEACTIVATED", "priority": "HIGH"},
        ("web", "1", "high", False),
    ),
    (
        "generic",
        {
            "name": "Slow",
            "alert_id": "1",
            "fields": [{"key": "severity", "value": "ERROR"}, {"key": "app", "value": "web"}],
        },
        ("web", "1", "high", True),
    ),
    (
        "azure",
        {
            "data": {
                "essentials": {
                    "alertRule": "r",
                    "originAlertId": "1",
                    "severity": "Sev1",
                    "monitorCondition": "Fired",
                    "configurationItems": [],
                },
                "alertContext": {"labels": {"service": "web"}},
            }
        },
        ("web", "1", "high", True),
    ),
    (
        "opsgenie",
        {
            "action": "Create",
            "alert": {"message": "x", "alias": "1", "priority": "P2", "details": {"service": "web"}, "entity": None},
        },
        ("web", "1", "high", True),
    ),
    (
        "pagerduty",
        {
            "event": {
                "event_type": "incident.triggered",
                "data": {"id": "1", "title": "x", "priority": {"summary": "SEV-1"}, "service": {"summary": "web"}},
            }
        },
        ("web", "1", "critical", True),
    ),
    (
        "alert",
        {"serviceName": "web", "fingerprint": "1", "severity": "P1 - Critical", "startedAt": 1_795_400_000},
        ("web", "1", "critical", True),
    ),
]
"""Bodies as other versions, other templates and other settings send them: service, fingerprint, severity, firing."""


@pytest.mark.parametrize(("sender", "body", "told"), VARIANTS)
def test_variants_that_senders_send(sender: str, body: Any, told: tuple[str, str, str, bool]) -> None:
    (group,) = parsed(sender, body).groups
    (alert,) = group.alerts
    assert (group.service, alert.fingerprint, alert.severity.value, alert.firing) == told
