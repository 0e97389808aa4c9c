"""The list of alerts that Alertmanager and Grafana send."""

from __future__ import annotations

from typing import Any

import pytest

from shared.alert import UNNAMED, Alert, Delivery, Severity
from webhook.alert_list import MAX_ALERTS, MAX_TRUNCATED, parse_alert_list
from webhook.fields import NOTE
from webhook.senders import MalformedBody


def parse(*alerts: object, **body: Any) -> Delivery:
    """What a delivery of these alerts says."""
    return parse_alert_list("alertmanager", {"alerts": list(alerts), **body}, ("service",))


def only(delivery: Delivery) -> Alert:
    """The one alert of a delivery."""
    ((alert,),) = (group.alerts for group in delivery.groups)
    return alert


def test_an_alert_without_anything_is_one_all_the_same() -> None:
    alert = only(parse({}))
    assert (alert.service, alert.title, alert.firing, alert.starts_at) == (UNNAMED, "Alert for unknown", True, None)
    assert (alert.severity, alert.labels, alert.annotations, alert.links) == (Severity.UNKNOWN, {}, {}, ())


@pytest.mark.parametrize(
    ("alert", "body", "title"),
    [
        ({"annotations": {"summary": "Slow\n now"}, "labels": {"alertname": "Latency"}}, {}, "Slow now"),
        ({"annotations": {"summary": " "}, "labels": {"alertname": "Latency"}}, {"title": "[FIRING:1]"}, "Latency"),
        ({"labels": {"alertname": None}}, {"title": "[FIRING:1]"}, "[FIRING:1]"),
        ({"annotations": {"summary": "x" * 600}}, {}, "x" * 511 + "…"),
    ],
)
def test_titles(alert: object, body: dict[str, str], title: str) -> None:
    assert only(parse(alert, **body)).title == title


@pytest.mark.parametrize(
    ("labels", "annotations", "severity"),
    [
        ({"severity": "page"}, {"severity": "info"}, Severity.CRITICAL),
        ({}, {"severity": "Warning"}, Severity.WARNING),
        ({"severity": "purple"}, {}, Severity.UNKNOWN),
        ({"severity": 5}, {}, Severity.UNKNOWN),
    ],
)
def test_severities(labels: object, annotations: object, severity: Severity) -> None:
    assert only(parse({"labels": labels, "annotations": annotations})).severity == severity


@pytest.mark.parametrize(
    ("of_alert", "of_body", "firing"),
    [
        ("firing", "resolved", True),
        ("resolved", "firing", False),
        ("RESOLVED", None, False),
        (None, "resolved", False),
        (None, None, True),
        ("strange", "resolved", True),
    ],
)
def test_each_alert_has_its_own_status(of_alert: str | None, of_body: str | None, firing: bool) -> None:
    assert only(parse({"status": of_alert}, status=of_body)).firing is firing


def test_a_firing_alert_has_no_end() -> None:
    end = "2026-11-23T09:00:00Z"
    assert only(parse({"status": "firing", "endsAt": end})).ends_at is None
    assert only(parse({"status": "resolved", "endsAt": end})).ends_at is not None


def test_a_wrong_clock_loses_no_alert() -> None:
    alert = only(parse({"startsAt": "2026-02-30T25:61:61Z"}))
    assert alert.starts_at is None
    assert alert.annotations[NOTE].startswith("startsAt '2026-02-30T25:61:61Z' was left out")


def test_without_a_fingerprint_the_labels_are_one() -> None:
    first = only(parse({"labels": {"a": "1", "b": "2"}, "startsAt": "2026-11-23T09:00:00Z"})).fingerprint
    again = only(parse({"labels": {"b": "2", "a": "1"}, "annotations": {"summary": "x"}})).fingerprint
    other = only(parse({"labels": {"a": "1", "b": "3"}})).fingerprint
    assert first == again != other


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"groupKey": "{}:{a}", "groupLabels": {"a": "1"}}, "{}:{a}"),
        ({"groupKey": 5615590933959184469}, "5615590933959184469"),
        ({"groupLabels": {"b": "2", "a": "1"}}, '{"a": "1", "b": "2"}'),
        ({"groupLabels": {}}, "Latency"),
        ({}, "Latency"),
    ],
)
def test_group_keys(body: dict[str, Any], key: str) -> None:
    (group,) = parse({"labels": {"alertname": "Latency"}}, **body).groups
    assert group.key == key


def test_nameless_alerts_without_a_group_are_told_apart() -> None:
    assert len(parse({"labels": {"a": "1"}}, {"labels": {"a": "2"}}).groups) == 2


def test_every_service_of_a_group_is_an_incident_of_its_own() -> None:
    delivery = parse({"labels": {"service": "b"}}, {"labels": {"service": "a"}}, {}, groupKey="k", truncatedAlerts=7)
    assert [(group.key, group.service, group.truncated) for group in delivery.groups] == [
        ("k", "a", 7),
        ("k", "b", 7),
        ("k", UNNAMED, 7),
    ]


@pytest.mark.parametrize(("given", "believed"), [(-1, 0), ("5", 0), (2**62, MAX_TRUNCATED), (None, 0)])
def test_the_count_of_left_out_alerts_is_bounded(given: object, believed: int) -> None:
    assert parse({}, truncatedAlerts=given).groups[0].truncated == believed


def test_too_many_alerts_are_counted_as_left_out() -> None:
    (group,) = parse(*[{}] * (MAX_ALERTS + 3), groupKey="k", truncatedAlerts=1).groups
    assert (len(group.alerts), group.truncated) == (MAX_ALERTS, 4)


def test_a_bad_alert_does_not_lose_the_good_ones() -> None:
    delivery = parse("nonsense", {"labels": {"service": "a"}}, {"labels": 1}, {"labels": {"service": "b"}})
    assert [group.service for group in delivery.groups] == ["a", "b"]
    for group in delivery.groups:
        note = group.alerts[0].annotations[NOTE]
        assert note == "2 of 4 alerts could not be read: alerts[0] must be a JSON object, not a string"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        ({}, "alerts"),
        ({"alerts": {}}, "alerts"),
        ({"alerts": "x"}, "alerts"),
        ({"alerts": [None]}, "alerts[0]"),
        ({"alerts": [{"labels": []}, 5]}, "alerts[0].labels"),
        ({"alerts": [{"annotations": "x"}]}, "alerts[0].annotations"),
    ],
)
def test_what_makes_no_sense_is_named(body: object, field: str | None) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse_alert_list("alertmanager", body, ("service",))
    assert refusal.value.field == field


@pytest.mark.parametrize("none", [[], None])
def test_no_alerts_are_no_incident(none: object) -> None:
    delivery = parse_alert_list("alertmanager", {"alerts": none}, ("service",))
    assert (delivery.groups, delivery.ignored) == ((), "the delivery holds no alerts")


def test_links_lead_to_what_helps_first() -> None:
    alert = only(
        parse(
            {
                "dashboardURL": "http://grafana/d",
                "panelURL": "",
                "generatorURL": "http://prometheus/graph",
                "annotations": {"runbook_url": "http://runbooks/x"},
            },
            externalURL="http://alertmanager",
        )
    )
    assert [link.title for link in alert.links] == ["Dashboard", "Alert rule", "Runbook", "Alertmanager"]


def test_what_was_measured_is_kept() -> None:
    alert = only(parse({"valueString": "[ value=17 ]", "values": {"B": 17}, "annotations": {"summary": "s"}}))
    assert alert.annotations == {"summary": "s", "valueString": "[ value=17 ]", "values": '{"B":17}'}


def test_the_service_is_found_among_too_many_labels() -> None:
    alert = only(parse({"labels": {f"l{n}": "v" for n in range(400)} | {"service": "cart"}}))
    assert alert.service == "cart"
    assert "145 of 401 labels were left out" in alert.annotations[NOTE]
