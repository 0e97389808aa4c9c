"""Reported deploys: the plain form, CDEvents as their specification's own examples write them, and wrappings."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.database import Database
from shared.moment import now, parse_time
from shared.store.deployments import between
from tests.webhook.receivers import receiver_on
from webhook.deployment_events import MAX_EVENTS, parse
from webhook.problem import Problem

PAYLOADS = Path(__file__).parents[1] / "payloads" / "cdevents"
MOMENT = datetime.fromisoformat("2026-11-23T03:12:00Z")
DIGEST = "sha256:0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427"


def cdevent(name: str) -> dict[str, Any]:
    """An example of the CDEvents specification."""
    event: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
    return event


def test_plain_event_is_kept_whole() -> None:
    plain = {
        "service": "invoice-api",
        "version": "2.14.0",
        "commit": "a1b2c3d",
        "startedAt": "2026-11-23T03:58:00+01:00",
        "environment": "production",
        "url": "https://ci.example.com/runs/812",
        "actor": "deploy-bot",
    }
    (deployment,) = parse(plain, MOMENT).deployments
    assert deployment.started_at == parse_time("2026-11-23T02:58:00Z")
    assert (deployment.service, deployment.version, deployment.commit) == ("invoice-api", "2.14.0", "a1b2c3d")
    assert (deployment.environment, deployment.actor) == ("production", "deploy-bot")
    assert (deployment.url, deployment.action) == ("https://ci.example.com/runs/812", "deployed")


def test_a_flag_is_reported_in_the_same_way() -> None:
    flag = {"service": "shop", "flag": "new_checkout", "change": "5%->100%", "actor": "ana"}
    (switched,) = parse(flag, MOMENT).deployments
    assert (switched.service, switched.flag, switched.change) == ("shop", "new_checkout", "5%->100%")
    assert (switched.version, switched.started_at) == (None, MOMENT)


@pytest.mark.parametrize(
    "more", [{"change": "off->on"}, {"flag": "a", "version": "2"}, {"flag": "a", "commit": "c0ffee1"}]
)
def test_a_flag_is_no_version_and_a_change_needs_a_flag(more: dict[str, str]) -> None:
    with pytest.raises(Problem, match="flag"):
        parse({"service": "shop", **more}, MOMENT)


def test_plain_event_without_a_time_happened_now() -> None:
    (deployment,) = parse({"service": "invoice-api", "version": None}, MOMENT).deployments
    assert deployment.started_at == MOMENT


@pytest.mark.parametrize(("name", "action"), [("service_deployed", "deployed"), ("service_rolledback", "rolledback")])
def test_cdevent_of_the_specification(name: str, action: str) -> None:
    (deployment,) = parse(cdevent(name), MOMENT).deployments
    assert deployment.service == "mySubject123"
    assert (deployment.action, deployment.environment, deployment.version) == (action, "test123", DIGEST)
    assert deployment.started_at == parse_time("2023-03-20T14:27:05.315384Z")
    assert deployment.event_id == "/event/source/123#271069a8-fc18-44f1-b38f-9d70a1695819"


@pytest.mark.parametrize(
    ("subject_id", "artifact", "service", "version", "commit"),
    [
        ("service/invoice-api", None, "invoice-api", None, None),
        ("", "pkg:oci/team%2Finvoice-api@sha256%3Aab12?tag=2.14.0&arch=amd64", "invoice-api", "2.14.0", None),
        ("invoice-api", "pkg:github/acme/invoices@4f2c9e1b7a6d53f0", "invoice-api", None, "4f2c9e1b7a6d53f0"),
        ("invoice-api", "no package url", "invoice-api", None, None),
    ],
)
def test_cdevent_names_service_and_version(
    subject_id: str, artifact: str | None, service: str, version: str | None, commit: str | None
) -> None:
    event = cdevent("service_deployed")
    event["subject"] |= {"id": subject_id}
    event["subject"]["content"]["artifactId"] = artifact
    (deployment,) = parse(event, MOMENT).deployments
    assert (deployment.service, deployment.version, deployment.commit) == (service, version, commit)


def test_events_may_be_wrapped_and_many() -> None:
    wrapped = {"specversion": "1.0", "type": "deploy", "source": "ci", "id": "7", "data": {"service": "ledger"}}
    around = {"specversion": "1.0", "type": "x", "source": "ci", "id": "8", "data": cdevent("service_rolledback")}
    events = parse([wrapped, around, {"service": "shop"}, cdevent("incident_detected")], MOMENT)
    assert [deployment.service for deployment in events.deployments] == ["ledger", "mySubject123", "shop"]
    assert events.deployments[0].event_id == "ci#7"
    assert events.ignored == ("dev.cdevents.incident.detected.0.3.0",)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "service"),
        ({"service": ""}, "service"),
        ({"service": 7}, "service"),
        ({"service": "a", "startedAt": "yesterday"}, "startedAt"),
        ({"service": "a", "url": "javascript:alert(1)"}, "url"),
        ({"service": "a", "commit": "f" * 65}, "commit"),
        ({"specversion": "1.0", "type": "x", "source": "y", "data_base64": "e30="}, "data"),
        ("text", None),
        ([], None),
        ([[]], None),
        ([{"service": "a"}] * (MAX_EVENTS + 1), None),
    ],
)
def test_what_cannot_be_meant_is_refused_by_field(body: object, field: str | None) -> None:
    with pytest.raises(Problem) as refused:
        parse(body, MOMENT)
    assert (refused.value.document.status, refused.value.document.field) == (422, field)


def test_cdevent_without_time_or_subject_is_refused() -> None:
    timeless, nameless = cdevent("service_deployed"), cdevent("service_deployed")
    timeless["context"]["timestamp"] = "soon"
    nameless["subject"] = None
    for event, field in ((timeless, "context.timestamp"), (nameless, "subject.id")):
        with pytest.raises(Problem) as refused:
            parse(event, MOMENT)
        assert refused.value.document.field == field


def test_route_commits_each_event_once(database: Database) -> None:
    client = receiver_on(database).test_client()
    body = [cdevent("service_deployed") | {"customData": {}}, {"service": "invoice-api", "version": "2.14.0"}]
    body[0]["context"]["timestamp"] = now().isoformat()
    first = client.post("/deployments", json=body)
    again = client.post("/deployments", json=body[:1])
    assert (first.status_code, first.json) == (202, {"recorded": 2})
    assert (again.status_code, again.json) == (202, {"recorded": 0})
    kept = between(database, ["mySubject123", "invoice-api"], now() - timedelta(hours=1), now())
    assert {(deployment.service, deployment.version) for deployment in kept} == {
        ("mySubject123", DIGEST),
        ("invoice-api", "2.14.0"),
    }


def test_route_keeps_each_switching_of_a_flag(database: Database) -> None:
    client = receiver_on(database).test_client()
    at = now().isoformat()
    body = [{"service": "shop", "startedAt": at, "flag": flag, "change": "off->on"} for flag in ("one", "two", "one")]
    assert client.post("/deployments", json=body).json == {"recorded": 2}
    kept = between(database, ["shop"], now() - timedelta(hours=1), now())
    assert {(deployment.flag, deployment.change) for deployment in kept} == {("one", "off->on"), ("two", "off->on")}


def test_route_says_what_it_left_out(database: Database) -> None:
    answer = receiver_on(database).test_client().post("/deployments", json=cdevent("incident_detected"))
    assert answer.status_code == 202
    assert answer.get_json() == {
        "recorded": 0,
        "ignored": "no deploys of a service: dev.cdevents.incident.detected.0.3.0",
    }
