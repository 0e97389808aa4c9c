"""What is sent to /webhook/grafana: unified alerting (see also test_alert_list) and legacy alerting."""

from __future__ import annotations

from typing import Any

import pytest

from shared.alert import UNNAMED, Delivery, Severity
from webhook.fields import MAX_LABELS, NOTE
from webhook.grouping import Grouping
from webhook.senders import SENDERS, MalformedBody
from webhook.senders.grafana_alerting import MAX_SERIES, GrafanaAlerting


def parse(body: Any) -> Delivery:
    """What the body says with the default settings."""
    return GrafanaAlerting(Grouping()).parse(body, {})


def legacy(**body: Any) -> Delivery:
    """What a legacy body says."""
    return parse({"ruleId": 7, "ruleName": "CPU alert", "state": "alerting", "title": "[Alerting] CPU alert", **body})


def series(value: float, **tags: str) -> dict[str, Any]:
    """One of evalMatches."""
    return {"metric": "cpu", "value": value, "tags": tags}


def test_it_is_registered() -> None:
    assert SENDERS.load("grafana") is GrafanaAlerting


def test_unified_alerts_are_read() -> None:
    delivery = parse({"alerts": [{"labels": {"service": "cart"}}], "title": "[FIRING:1]", "state": "alerting"})
    assert (delivery.sender, [group.service for group in delivery.groups]) == ("grafana", ["cart"])


def test_the_test_button_makes_an_incident() -> None:
    alert = {"status": "firing", "labels": {"alertname": "TestAlert", "instance": "Grafana"}}
    (group,) = parse({"alerts": [alert], "groupKey": "test-57c6d9296de2ad39-1740000000"}).groups
    assert (group.service, group.title, group.alerts[0].firing) == (UNNAMED, "TestAlert", True)


@pytest.mark.parametrize(
    ("state", "firing"), [("alerting", True), ("no_data", True), ("Alerting", True), ("new", True), ("ok", False)]
)
def test_states_that_say_something(state: str, firing: bool) -> None:
    ((alert,),) = (group.alerts for group in legacy(state=state).groups)
    assert alert.firing is firing


@pytest.mark.parametrize("state", ["paused", "pending", "", None])
def test_states_that_open_no_incident(state: str | None) -> None:
    delivery = legacy(state=state)
    assert delivery.groups == ()
    assert delivery.ignored


def test_a_rules_tags_come_before_those_of_its_series() -> None:
    (group,) = legacy(
        tags={"service": "cart", "severity": "critical", "zone": "a"},
        evalMatches=[series(1, service="other", zone="b", host="h1"), series(2, zone="b", host="h1")],
    ).groups
    (alert,) = group.alerts
    assert (group.key, group.service, alert.severity) == ("rule 7", "cart", Severity.CRITICAL)
    assert alert.labels == {"service": "cart", "severity": "critical", "zone": "a", "host": "h1"}
    assert alert.annotations == {"evalMatches": "cpu = 1\ncpu = 2"}


def test_a_rules_tags_are_kept_before_those_of_its_series() -> None:
    (alert,) = (
        legacy(tags={"severity": "high"}, evalMatches=[series(1, **{f"t{n}": "v" for n in range(300)})])
        .groups[0]
        .alerts
    )
    assert (alert.severity, len(alert.labels)) == (Severity.HIGH, MAX_LABELS)
    assert alert.annotations[NOTE] == "45 of 301 labels were left out"


def test_every_service_among_the_series_is_an_incident_of_its_own() -> None:
    delivery = legacy(evalMatches=[series(1, app="b"), series(2, app="a"), series(3, app="b"), series(4)])
    assert [(group.key, group.service, len(group.alerts)) for group in delivery.groups] == [
        ("rule 7", "a", 1),
        ("rule 7", "b", 1),
        ("rule 7", UNNAMED, 1),
    ]
    assert delivery.groups[1].alerts[0].annotations["evalMatches"] == "cpu = 1\ncpu = 3"


def test_series_are_bounded() -> None:
    (group,) = legacy(evalMatches=[series(1, app="a")] * (MAX_SERIES + 2)).groups
    assert group.truncated == 2


def test_a_series_that_makes_no_sense_loses_no_alert() -> None:
    delivery = legacy(evalMatches=[None, 5, {"tags": []}, {"tags": {"app": "a"}}])
    assert [group.service for group in delivery.groups] == ["a", UNNAMED]


def test_without_a_rule_id_its_name_is_the_identity() -> None:
    first, again, other = (
        legacy(ruleId=None, ruleName=name).groups[0].alerts[0].fingerprint for name in ("x", "x", "y")
    )
    assert first == again != other


def test_a_rule_address_that_is_no_link_is_noted() -> None:
    (alert,) = legacy(ruleUrl="dontcare", message="boom").groups[0].alerts
    assert alert.links == ()
    assert (alert.annotations["message"], alert.annotations[NOTE].split()[0]) == ("boom", "ruleUrl")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, None),
        ({}, "alerts"),
        ({"my": "own payload"}, "alerts"),
        ({"alerts": 5}, "alerts"),
        ({"ruleId": 1, "state": "alerting", "evalMatches": {}}, "evalMatches"),
        ({"ruleId": 1, "state": "alerting", "tags": "x"}, "tags"),
    ],
)
def test_what_makes_no_sense_is_named(body: object, field: str | None) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse(body)
    assert refusal.value.field == field


def test_a_plain_body_is_sent_to_its_route() -> None:
    with pytest.raises(MalformedBody, match="belongs to POST /webhook/alert"):
        parse({"serviceName": "cart"})
