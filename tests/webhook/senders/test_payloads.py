"""Bodies that real senders sent: what each of them is taken to say."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from shared.alert import UNNAMED, AlertGroup
from shared.moment import rfc3339
from shared.redaction.redactor import Redactor
from webhook.body import parse
from webhook.grouping import Grouping
from webhook.senders import SENDERS

REDACTOR = Redactor()
PAYLOADS = Path(__file__).parents[2] / "payloads"


class Told(NamedTuple):
    """One group as it should come out."""

    key: str
    service: str
    title: str
    severities: set[str]
    firing: int
    resolved: int
    starts_at: str | None
    """Of the first alert."""
    truncated: int = 0


RABBIT = "This is a summary field, failure on badhost.example.com"
WEBHOOK_TEST = '{}/{test="true"}:{}'

TOLD = {
    "alertmanager/alerta-v3-old-version.json": [
        Told("5615590933959184469", "System", "Connect fail", {"critical"}, 1, 0, "2016-08-01T10:27:08.008000Z")
    ],
    "alertmanager/alerta-v4-firing.json": [
        Told(
            "{}:{alertname=thing_dead}",
            UNNAMED,
            "No things for over 10 minutes",
            {"critical"},
            1,
            0,
            "2017-08-03T19:17:37.804000Z",
        )
    ],
    "alertmanager/am0.25-grouped-5-firing.json": [
        Told('{}:{alertname="ManyDown"}', "checkout", "ManyDown", {"critical"}, 5, 0, "2026-11-23T08:07:19.354197Z")
    ],
    "alertmanager/am0.25-mixed-group-3firing-2resolved.json": [
        Told('{}:{alertname="ManyDown"}', "checkout", "ManyDown", {"critical"}, 3, 2, "2026-11-23T08:07:10.360163Z")
    ],
    "alertmanager/am0.25-single-firing.json": [
        Told(
            '{}:{alertname="HighLatency"}',
            "checkout",
            "HighLatency on 10.0.0.1:8080",
            {"critical"},
            1,
            0,
            "2026-11-23T08:07:19.341592Z",
        )
    ],
    "alertmanager/am0.25-single-resolved.json": [
        Told(
            '{}:{alertname="HighLatency"}',
            "checkout",
            "HighLatency on 10.0.0.1:8080",
            {"critical"},
            0,
            1,
            "2026-11-23T08:07:10.360163Z",
        )
    ],
    "alertmanager/am0.25-truncated-2-of-7.json": [
        Told(
            '{}/{test="trunc"}:{alertname="TooMany"}',
            "checkout",
            "TooMany",
            {"critical"},
            2,
            0,
            "2026-11-23T08:07:19.365599Z",
            truncated=5,
        )
    ],
    "alertmanager/goalert-minimal-missing-fields.json": [
        Told("TestAlert", UNNAMED, "My alert summary", {"unknown"}, 1, 0, None)
    ],
    "alertmanager/goalert-two-firing-v4.json": [
        Told("{}:{}", "prometheus", "InstanceDown", {"critical"}, 2, 0, "2020-08-08T14:32:08.326990Z")
    ],
    "grafana-legacy/alerta-alerting.json": [
        Told("rule 7", "monitoring", "[Alerting] CPU alert", {"unknown"}, 1, 0, None)
    ],
    "grafana-legacy/alerta-ok.json": [Told("rule 7", UNNAMED, "[OK] CPU alert", {"unknown"}, 0, 1, None)],
    "grafana-legacy/alerta-test-notification.json": [Told("rule 1", UNNAMED, "My alert", {"unknown"}, 1, 0, None)],
    "grafana-legacy/alerta-v6-evalmatches-tags.json": [
        Told("rule 58", "Physical", "[Alerting] TEST -> Battery Voltage alert", {"warning"}, 1, 0, None)
    ],
    "grafana-legacy/goalert-minimal.json": [Told("rule 1", UNNAMED, "woot", {"unknown"}, 1, 0, None)],
    "grafana-unified/zulip-v9-mixed-firing-resolved.json": [
        Told(WEBHOOK_TEST, "rabbitmq", "Test alert", {"unknown"}, 0, 2, "2022-06-17T01:04:00.782137Z"),
        Told(
            WEBHOOK_TEST,
            UNNAMED,
            "Testing **another** failing alert",
            {"unknown"},
            1,
            0,
            "2022-06-17T01:03:00.782137Z",
        ),
    ],
}


def told(group: AlertGroup) -> Told:
    """The group in the terms of the table."""
    return Told(
        group.key,
        group.service,
        group.title,
        {alert.severity.value for alert in group.alerts},
        sum(alert.firing for alert in group.alerts),
        sum(not alert.firing for alert in group.alerts),
        rfc3339(group.alerts[0].starts_at),
        group.truncated,
    )


@pytest.mark.parametrize("file", TOLD)
def test_what_each_body_says(file: str) -> None:
    sender = SENDERS.load("alertmanager" if file.startswith("alertmanager") else "grafana")(Grouping())
    delivery = sender.parse(parse((PAYLOADS / file).read_bytes(), "application/json", None, REDACTOR.value), {})
    assert [told(group) for group in delivery.groups] == TOLD[file]


def test_the_table_has_every_body() -> None:
    assert set(TOLD) == {
        str(file.relative_to(PAYLOADS))
        for folder in ("alertmanager", "grafana-legacy", "grafana-unified")
        for file in PAYLOADS.glob(f"{folder}/*.json")
    }


@pytest.mark.parametrize("file", [file for file in TOLD if not file.startswith("grafana-legacy")])
def test_both_routes_understand_a_list_of_alerts(file: str) -> None:
    body = parse((PAYLOADS / file).read_bytes(), "application/json", None, REDACTOR.value)
    for name in ("alertmanager", "grafana"):
        delivery = SENDERS.load(name)(Grouping()).parse(body, {})
        assert [told(group) for group in delivery.groups] == TOLD[file]


def test_the_fingerprints_of_an_alert_are_the_same_firing_and_resolved() -> None:
    pair = [
        SENDERS.load("alertmanager")(Grouping()).parse(
            parse((PAYLOADS / name).read_bytes(), "application/json", None, REDACTOR.value), {}
        )
        for name in ("alertmanager/am0.25-single-firing.json", "alertmanager/am0.25-single-resolved.json")
    ]
    assert len({delivery.groups[0].alerts[0].fingerprint for delivery in pair}) == 1
    assert len({delivery.groups[0].key for delivery in pair}) == 1
