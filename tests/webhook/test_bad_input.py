"""Alerts that make no sense, through the whole receiver on SQLite and PostgreSQL: bounded, said, and nothing lost."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from shared.database import Database
from shared.incident import Incident
from shared.moment import now
from shared.store import beginnings, reading
from shared.tables import AlertRow
from tests.webhook.receivers import receiver_on
from tests.webhook.test_intake_routes import count, only
from webhook.body import MAX_BYTES, MAX_VALUES
from webhook.fields import MAX_LABELS, NOTE


def body(*alerts: dict[str, Any]) -> dict[str, Any]:
    """As Alertmanager sends them."""
    return {"version": "4", "groupKey": "g", "status": "firing", "alerts": list(alerts)}


def alert(**changes: Any) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "X", "service": "checkout"},
        "annotations": {},
        "startsAt": "2026-11-23T03:12:00Z",
        "fingerprint": "f",
        **changes,
    }


def sent(database: Database, *alerts: dict[str, Any]) -> TestResponse:
    """The answer to a delivery of these alerts."""
    return receiver_on(database).test_client().post("/webhook/alertmanager", json=body(*alerts))


def taken_in(database: Database, *alerts: dict[str, Any]) -> Incident:
    """The document of the one incident that they open."""
    document = reading.incident(database, only(sent(database, *alerts))["id"])
    assert document is not None
    return document


def note(database: Database, document: Incident) -> str:
    """What is said of what could not be read or kept."""
    return beginnings.reported(database, document.id).annotations[NOTE]


def fingerprints(database: Database) -> list[str]:
    with database.reading() as session:
        return list(session.scalars(select(AlertRow.fingerprint)))


def test_a_million_labels_are_refused_before_they_are_read(database: Database) -> None:
    million = json.dumps(body(alert(labels={f"l{n}": "" for n in range(1_000_000)}))).encode()
    client = receiver_on(database).test_client()
    answer = client.post("/webhook/alertmanager", data=million, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")
    assert str(MAX_BYTES) in answer.get_json()["detail"]
    assert count(database) == 0


def test_hundreds_of_thousands_of_labels_are_refused_and_of_ten_thousand_some_are_kept(database: Database) -> None:
    many = json.dumps(body(alert(labels={f"l{n}": "" for n in range(300_000)}))).encode()
    assert len(many) <= MAX_BYTES, "it is not refused for its length"
    client = receiver_on(database).test_client()
    answer = client.post("/webhook/alertmanager", data=many, content_type="application/json")
    assert (answer.status_code, answer.content_type) == (413, "application/problem+json")
    assert str(MAX_VALUES) in answer.get_json()["detail"]
    assert count(database) == 0
    document = taken_in(database, alert(labels={"service": "checkout"} | {f"l{n}": "v" for n in range(10_000)}))
    assert document.service == "checkout"
    assert len(document.labels) <= MAX_LABELS
    assert "labels were left out" in note(database, document)


def test_fingerprints_of_a_megabyte_stay_two(database: Database) -> None:
    long = "f" * 1_000_000
    document = taken_in(database, alert(fingerprint=f"{long}1"), alert(fingerprint=f"{long}2"))
    assert len(document.alerts) == 2
    assert len(set(fingerprints(database))) == 2
    assert taken_in(database, alert(fingerprint=f"{long}1")).id == document.id
    assert len(fingerprints(database)) == 2, "the same one again is the same alert"


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2150-01-01T00:00:00Z"])
def test_a_start_that_cannot_be_is_said_and_replaced(database: Database, start: str) -> None:
    before = now()
    document = taken_in(database, alert(startsAt=start))
    assert before <= document.started_at <= now()


@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_a_start_that_no_database_holds_is_noted(database: Database, start: str) -> None:
    assert start in note(database, taken_in(database, alert(startsAt=start)))


def test_a_resolved_alert_that_never_fired_opens_nothing_and_is_said(database: Database) -> None:
    answer = sent(database, alert(status="resolved", endsAt="2026-11-23T03:20:00Z"))
    assert (answer.status_code, answer.get_json()["incidents"]) == (202, [])
    assert answer.get_json()["ignored"]
    assert count(database) == 0


def test_fingerprints_that_differ_in_case_or_unicode_form_are_different_alerts(database: Database) -> None:
    names = ["alert-é", "Alert-é", unicodedata.normalize("NFD", "alert-é"), "alert-e", "ａlert-é"]
    document = taken_in(database, *(alert(fingerprint=name) for name in names))
    assert len(document.alerts) == len(names)
    assert sorted(fingerprints(database)) == sorted(names)


def test_services_that_differ_in_unicode_form_are_not_mixed_up(database: Database) -> None:
    names = ["café", unicodedata.normalize("NFD", "café")]
    alerts = [alert(labels={"alertname": "X", "service": name}, fingerprint=name) for name in names]
    answer = sent(database, *alerts)
    assert answer.status_code == 202
    documents = [reading.incident(database, each["id"]) for each in answer.get_json()["incidents"]]
    assert sorted(document.service for document in documents if document) == sorted(names)
    assert all(document is not None and len(document.alerts) == 1 for document in documents)


@pytest.mark.parametrize("odd", ["nul\\u0000", "high\\ud800", "low\\udc00", "swapped\\udc00\\ud800"])
def test_what_no_database_holds_is_replaced_wherever_it_stands(database: Database, odd: str) -> None:
    """It comes escaped, as JSON can say what UTF-8 cannot."""
    marked = alert(
        fingerprint="ODD", labels={"alertname": "ODD", "service": "ODD", "ODD": "ODD"}, annotations={"ODD": "ODD"}
    )
    raw = json.dumps(body(marked) | {"groupKey": "ODD"}).replace("ODD", odd)
    client = receiver_on(database).test_client()
    answer = client.post("/webhook/alertmanager", data=raw, content_type="application/json")
    document = reading.incident(database, only(answer)["id"])
    assert document is not None
    assert "\ufffd" in document.service
    again = client.post("/webhook/alertmanager", data=raw, content_type="application/json")
    assert only(again)["id"] == document.id
    assert len(fingerprints(database)) == 1
