"""Where alerts and requests come in: what is answered, what is committed, and what is said when it cannot be."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select
from werkzeug.test import TestResponse

from shared.database import Database
from shared.incident import Diagnosis, ProbableCause, ProducedBy, Status
from shared.moment import now
from shared.settings import Address
from shared.store import admission, beginnings, catalog_names, endings, findings, reading, work
from shared.tables import Base, IncidentRow
from tests.webhook.receivers import ALERT, PAGE, Notes, guarded_receiver_on, receiver_on
from webhook import pages
from webhook.body import MAX_BYTES

CONTEXT = {
    "serviceName": "invoice-api",
    "serviceDescription": "Makes invoices",
    "dependencies": ["postgres"],
    "tags": ["dotnet"],
    "recentDeployments": "02:58 a1b2c3d pool",
    "recentErrors": "pool exhausted",
    "gotchaHeuristics": "The pool must hold 25",
    "alertTitle": "Errors",
    "severity": "critical",
    "startedAt": "2026-11-23T03:12:00Z",
}


def only(answer: TestResponse) -> dict[str, Any]:
    """The one incident of a 202."""
    assert answer.status_code == 202, answer.text
    (incident,) = answer.get_json()["incidents"]
    assert isinstance(incident, dict)
    return incident


def conclude(database: Database, work_id: str) -> None:
    """Does what a worker does, without looking at anything."""
    admission.admit(database, 99)
    claim = work.claim(database, work_id)
    assert claim is not None
    (next_id,) = findings.resolve(database, claim, findings.Resolution({}, "invoice-api", None))
    diagnosing = work.claim(database, next_id)
    assert diagnosing is not None
    diagnosis = Diagnosis(
        probable_cause=ProbableCause(statement="The pool is too small.", confidence=0.8),
        produced_by=ProducedBy(stage="brief"),
    )
    endings.conclude(database, diagnosing, endings.Conclusion(diagnosis, "## Probable cause"))


def count(database: Database) -> int:
    """Incidents that are stored."""
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(IncidentRow)) or 0


def test_an_alert_is_committed_published_and_answered(database: Database) -> None:
    notes = Notes()
    answer = receiver_on(database, notes).test_client().post("/webhook/alert", json=ALERT)
    incident = only(answer)
    assert incident.keys() == {"id", "status", "url", "new"}
    assert answer.get_json().keys() == {"incidents"}
    assert (incident["status"], incident["new"]) == ("queued", True)
    assert incident["url"] == answer.headers["Location"] == f"http://localhost/incidents/{incident['id']}"
    assert int(answer.headers["Retry-After"]) > 0
    assert notes.published == [f"{incident['id']}.1.investigate"]
    stored = reading.incident(database, incident["id"])
    assert stored is not None
    assert (stored.service, stored.title, stored.severity) == ("invoice-api", "High error rate", "critical")


def test_the_same_alert_again_joins(database: Database) -> None:
    notes = Notes()
    client = receiver_on(database, notes).test_client()
    first, second = only(client.post("/webhook/alert", json=ALERT)), only(client.post("/webhook/alert", json=ALERT))
    assert (first["id"], second["new"], len(notes.published)) == (second["id"], False, 1)


@pytest.mark.parametrize(
    ("public_url", "base"),
    [
        ("https://whydown.example.com/", "https://whydown.example.com"),
        ("https://störung.example/wo/ä", "https://xn--strung-xxa.example/wo/%C3%A4"),
    ],
)
def test_links_start_with_the_public_address(sqlite: Database, public_url: str, base: str) -> None:
    app = receiver_on(sqlite, address=Address(public_url=public_url))
    answer = app.test_client().post("/webhook/alert", json=ALERT, headers={"Host": "localhost:1"})
    incident = only(answer)
    assert incident["url"] == answer.headers["Location"] == f"{base}/incidents/{incident['id']}"


def test_several_groups_are_several_incidents_without_a_location(database: Database) -> None:
    alerts = [
        {"status": "firing", "labels": {"alertname": "X", "service": name}, "startsAt": ALERT["startedAt"]}
        for name in ("invoice-api", "ledger")
    ]
    body = {"version": "4", "groupKey": "g", "status": "firing", "alerts": alerts}
    answer = receiver_on(database).test_client().post("/webhook/alertmanager", json=body)
    assert (answer.status_code, len(answer.get_json()["incidents"])) == (202, 2)
    assert "Location" not in answer.headers
    assert "Retry-After" in answer.headers


def test_a_body_that_opens_nothing_says_why(sqlite: Database) -> None:
    body = {"version": "4", "groupKey": "g", "status": "firing", "alerts": []}
    answer = receiver_on(sqlite).test_client().post("/webhook/alertmanager", json=body)
    assert (answer.status_code, answer.get_json()["incidents"]) == (202, [])
    assert answer.get_json()["ignored"]


@pytest.mark.parametrize("path", ["/webhook/alert/", "/analyze/", "/api/incident/analyze/", "/deployments/"])
def test_a_slash_at_the_end_is_no_redirect(sqlite: Database, path: str) -> None:
    body = {**ALERT, "entityRef": "invoice-api", "service": "invoice-api"}
    assert receiver_on(sqlite).test_client().post(path, json=body).status_code == 202


def test_an_unknown_sender_learns_the_known_ones(sqlite: Database) -> None:
    answer = receiver_on(sqlite).test_client().post("/webhook/alertmanger", json={})
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    for name in ("alert", "alertmanager", "grafana"):
        assert name in answer.get_json()["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[" * 1000, {}, 400),
        (b'{"serviceName": NaN}', {}, 400),
        (b"{}", {}, 422),
        (b"[]", {}, 422),
        (b'"text"', {}, 422),
        (b"{}", {"Content-Encoding": "gzip"}, 415),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b" " * (MAX_BYTES + 1), {}, 413),
    ],
)
@pytest.mark.parametrize("path", ["/webhook/alert", "/analyze", "/api/incident/analyze", "/deployments"])
def test_refusals_are_problem_documents(
    sqlite: Database, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    client = receiver_on(sqlite).test_client()
    answer = client.post(path, data=body, headers={"Content-Type": "application/json"} | headers)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    problem = answer.get_json()
    assert problem["status"] == status
    assert {"type", "title", "detail", "instance"} <= problem.keys()
    assert count(sqlite) == 0


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/webhook/alert", 405)])
def test_refusals_of_the_framework_are_problem_documents_too(
    sqlite: Database, method: str, path: str, status: int
) -> None:
    answer = receiver_on(sqlite).test_client().open(path, method=method)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert answer.get_json()["instance"] == path
    assert ("Allow" in answer.headers) == (status == 405)


def test_an_alert_that_cannot_be_stored_is_not_accepted(tmp_path: Path) -> None:
    notes = Notes()
    for url in (f"sqlite:///{tmp_path / 'no-tables.db'}", "postgresql+psycopg://w:hunter2@127.0.0.1:1/w"):
        database = Database(url)
        client = receiver_on(database, notes).test_client()
        bodies = {"/webhook/alert": ALERT, "/analyze": {"entityRef": "a"}, "/api/incident/analyze": CONTEXT}
        for path, body in bodies.items():
            answer = client.post(path, json=body)
            assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
            assert int(answer.headers["Retry-After"]) > 0
            assert "NOT stored" in answer.get_json()["detail"]
            assert "hunter2" not in answer.text
            assert "incidents" not in answer.get_json()["detail"]
        database.close()
    assert notes.published == []


def test_a_full_disk_refuses_whole_alerts_and_then_goes_on(sqlite: Database) -> None:
    """PostgreSQL's: tests/end_to_end/test_outages.py."""
    pages: int | None = None

    @event.listens_for(sqlite.engine, "checkout")  # alerts are taken in by the driver alone
    def bound(connection: sqlite3.Connection, *_: object) -> None:
        (used,) = connection.execute("PRAGMA page_count").fetchone()
        # https://www.sqlite.org/pragma.html#pragma_max_page_count: beyond it, SQLITE_FULL as on a full disk.
        connection.execute(f"PRAGMA max_page_count={used if pages is None else pages}")

    client = receiver_on(sqlite).test_client()
    alerts = [{**ALERT, "alertTitle": f"Full {number}", "errors": "x" * 20_000} for number in range(5)]
    answers = [client.post("/webhook/alert", json=alert) for alert in alerts]
    assert [answer.status_code for answer in answers] == [503] * 5
    assert answers[0].content_type == "application/problem+json"
    assert count(sqlite) == 0
    pages = 1_000_000
    assert [client.post("/webhook/alert", json=alert).status_code for alert in alerts] == [202] * 5
    assert count(sqlite) == 5


def test_a_failure_inside_shows_nothing_of_it(sqlite: Database) -> None:
    class Broken(Notes):
        def publish(self, work_ids: object) -> None:
            raise RuntimeError("secret of the inside")

    answer = receiver_on(sqlite, Broken()).test_client().post("/webhook/alert", json=ALERT)
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("ref", "service", "entity_ref"),
    [
        ("invoice-api", "invoice-api", None),
        ("component:default/invoice-api", "invoice-api", "component:default/invoice-api"),
        ("Component:Billing/Invoice-API", "Invoice-API", "component:billing/invoice-api"),
        ("billing/invoice-api", "invoice-api", "component:billing/invoice-api"),
        ("resource:default/orders-db", "orders-db", "resource:default/orders-db"),
        (" api:invoices ", "invoices", "api:default/invoices"),
    ],
)
def test_manual_analysis_by_reference(sqlite: Database, ref: str, service: str, entity_ref: str | None) -> None:
    incident = only(receiver_on(sqlite).test_client().post("/analyze", json={"entityRef": ref, "alertTitle": None}))
    asked = beginnings.reported(sqlite, incident["id"])
    assert (asked.service, asked.entity_ref, asked.title) == (service, entity_ref, "Manual analysis")


def test_manual_analysis_keeps_what_was_said(database: Database) -> None:
    body = {"entityRef": "a", "errors": ["one", "two"], "startedAt": "2026-11-23T03:12:00Z", "alertTitle": "T" * 900}
    incident = only(receiver_on(database).test_client().post("/analyze", json=body))
    asked = beginnings.reported(database, incident["id"])
    assert asked.errors == ("one\ntwo",)
    assert asked.started_at.isoformat() == "2026-11-23T03:12:00+00:00"
    assert len(asked.title) == 512


def test_brought_context_is_kept_whole(database: Database) -> None:
    incident = only(receiver_on(database).test_client().post("/api/incident/analyze", json=CONTEXT))
    asked = beginnings.reported(database, incident["id"])
    assert (asked.service, asked.title, asked.severity) == ("invoice-api", "Errors", "critical")
    assert asked.brought is not None
    names = ("serviceDescription", "recentDeployments", "recentErrors", "gotchaHeuristics", "dependencies", "tags")
    assert asked.brought.wire() == {name: CONTEXT[name] for name in names}


def test_nulls_and_unknown_fields_of_brought_context_are_no_matter(database: Database) -> None:
    body = dict.fromkeys(CONTEXT, None) | {"serviceName": "invoice-api", "more": {"x": 1}}
    only(receiver_on(database).test_client().post("/api/incident/analyze", json=body))


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("/analyze", {}, ["entityRef"]),
        ("/analyze", {"entityRef": ""}, ["entityRef"]),
        ("/analyze", {"entityRef": "a b"}, ["entityRef"]),
        ("/analyze", {"entityRef": "a:b:c"}, ["entityRef"]),
        ("/analyze", {"entityRef": "a", "startedAt": "today", "errors": {}}, ["errors", "startedAt"]),
        ("/analyze", {"entityRef": "a", "callbackUrl": "file:///etc/passwd"}, ["callbackUrl"]),
        ("/api/incident/analyze", {"serviceName": " "}, ["serviceName"]),
        ("/api/incident/analyze", {"serviceName": "x" * 129}, ["serviceName"]),
        (
            "/api/incident/analyze",
            {"dependencies": "postgres", "tags": [1], "startedAt": "0001-01-01T00:00:00Z"},
            ["serviceName", "dependencies", "tags[0]", "startedAt"],
        ),
    ],
)
def test_every_wrong_field_is_named(sqlite: Database, path: str, body: dict[str, Any], fields: list[str]) -> None:
    answer = receiver_on(sqlite).test_client().post(path, json=body)
    problem = answer.get_json()
    assert (answer.status_code, problem["field"]) == (422, fields[0])
    for field in fields:
        assert f"`{field}`" in problem["detail"]
    assert [error["field"] for error in problem.get("errors", [{"field": fields[0]}])] == fields


@pytest.mark.parametrize(("path", "body"), [("/analyze", {"entityRef": "a"}), ("/api/incident/analyze", CONTEXT)])
def test_an_idempotency_key_makes_one_incident(database: Database, path: str, body: dict[str, Any]) -> None:
    notes = Notes()
    app = receiver_on(database, notes)

    def send(key: str, sent: dict[str, Any] = body, slash: str = "") -> TestResponse:
        return app.test_client().post(path + slash, json=sent, headers={"Idempotency-Key": key})

    first, again, other = only(send("k")), only(send("k", slash="/")), only(send("l"))
    assert (first["id"], first["new"], again["new"], other["new"]) == (again["id"], True, False, True)
    assert first["id"] != other["id"]
    assert len(notes.published) == 2
    conflict = send("k", body | {"alertTitle": "other"})
    assert (conflict.status_code, conflict.get_json()["field"]) == (422, "Idempotency-Key")
    assert send("k" * 256).status_code == 422
    assert send("k" * 255).status_code == 202


def test_the_same_key_at_the_same_time_makes_one_incident(database: Database) -> None:
    app = receiver_on(database)
    together = threading.Barrier(8)

    def send(_: int) -> str:
        together.wait()
        answer = app.test_client().post("/analyze", json={"entityRef": "a"}, headers={"Idempotency-Key": "k"})
        return str(only(answer)["id"])

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(8)))) == 1
    assert count(database) == 1


class Working(Notes):
    """A queue whose worker is at once done with all that is published."""

    def __init__(self, act: Callable[[str], None]) -> None:
        super().__init__()
        self.act = act

    def publish(self, work_ids: Any) -> None:
        for work_id in work_ids:
            self.act(work_id)


@pytest.mark.parametrize(("path", "body"), [("/analyze", {"entityRef": "a"}), ("/api/incident/analyze", CONTEXT)])
def test_whoever_waits_gets_the_finished_incident(database: Database, path: str, body: dict[str, Any]) -> None:
    client = receiver_on(database, Working(lambda work_id: conclude(database, work_id))).test_client()
    answer = client.post(path, json=body, headers={"Prefer": "respond-async, wait=600"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=60")
    document = answer.get_json()
    assert (document["status"], document["analysis"]) == ("done", "## Probable cause")
    assert document["diagnosis"]["probableCause"]["statement"] == "The pool is too small."
    assert answer.headers["Location"].endswith(document["id"])


def test_the_end_may_come_while_the_caller_waits(database: Database) -> None:
    done: list[Future[None]] = []
    with ThreadPoolExecutor(1) as worker:
        busy = Working(lambda work_id: done.append(worker.submit(conclude, database, work_id)))
        client = receiver_on(database, busy).test_client()
        answer = client.post("/analyze", json={"entityRef": "a"}, headers={"Prefer": "wait=60"})
    assert (answer.status_code, answer.get_json()["status"]) == (200, Status.DONE)


def test_whoever_waits_in_vain_gets_202(sqlite: Database) -> None:
    client = receiver_on(sqlite).test_client()
    for prefer, applied in (("wait=0", "wait=0"), ("wait=1", "wait=1"), ("wait=soon", None), ("", None)):
        answer = client.post("/analyze", json={"entityRef": "a"}, headers={"Prefer": prefer})
        only(answer)
        assert answer.headers.get("Preference-Applied") == applied


def test_when_all_places_are_taken_nobody_waits(sqlite: Database) -> None:
    app = receiver_on(sqlite, waiting=1)
    receiver = app.extensions["whydown"]
    with receiver.waiting:
        answer = app.test_client().post("/analyze", json={"entityRef": "a"}, headers={"Prefer": "wait=60"})
    only(answer)
    assert "Preference-Applied" not in answer.headers


def test_a_commit_is_answered_even_if_the_database_goes_away_while_waiting(sqlite: Database) -> None:
    def break_database(_work_id: str) -> None:
        Base.metadata.drop_all(sqlite.engine)

    client = receiver_on(sqlite, Working(break_database)).test_client()
    answer = client.post("/analyze", json={"entityRef": "a"}, headers={"Prefer": "wait=60"})
    assert only(answer)["new"] is True


def test_quiet_time_is_a_setting(sqlite: Database) -> None:
    receiver = receiver_on(sqlite).extensions["whydown"]
    assert receiver.reception.quiet == timedelta(minutes=60)


def test_the_form_offers_the_catalogs_names(database: Database) -> None:
    catalog_names.keep(database, ["invoice-api", "invoice-db", "search"])
    client = receiver_on(database).test_client()
    page = client.get("/analyze").text
    assert re.findall(r'<option value="([a-z-]+)"></option>', page) == ["invoice-api", "invoice-db", "search"]
    narrowed = client.get("/analyze?service=INVOICE&title=%22x%22").text
    assert re.findall(r'<option value="([a-z-]+)"></option>', narrowed) == ["invoice-api", "invoice-db"]
    assert 'value="INVOICE"' in narrowed
    assert 'value="&#34;x&#34;"' in narrowed
    assert "data-more" not in page
    catalog_names.keep(database, [f"service-{number}" for number in range(pages.MOST_NAMES + 1)])
    long = client.get("/analyze").text
    assert len(re.findall(r'<option value="[a-z]+-[0-9]+">', long)) == pages.MOST_NAMES
    assert 'data-more="/analyze"' in long


def test_the_form_opens_an_analysis_and_leads_to_it(database: Database) -> None:
    client = receiver_on(database).test_client()
    fields = {"form": "a1", "entityRef": "invoice-api", "alertTitle": "", "startedAt": "30m", "errors": "a\nb"}
    sent = now()
    answer = client.post("/analyze", data=fields, headers=PAGE)
    assert answer.status_code == 303
    found = reading.incident(database, answer.headers["Location"].rpartition("/")[2])
    assert found is not None
    assert (found.service, found.title, found.sender) == ("invoice-api", "Manual analysis", "analyze")
    assert timedelta(minutes=29) < sent - found.started_at < timedelta(minutes=31)
    assert beginnings.reported(database, found.id).errors == ("a\nb",)
    again = client.post("/analyze", data=fields, headers=PAGE)
    assert again.headers["Location"] == answer.headers["Location"], "a second click is no second analysis"
    other = client.post("/analyze", data=fields | {"form": "a2"}, headers=PAGE)
    assert other.headers["Location"] != answer.headers["Location"]
    assert count(database) == 2


def test_a_form_that_is_wrong_comes_back_as_it_was_filled_in(sqlite: Database) -> None:
    fields = {"entityRef": "in voice", "alertTitle": "Errors", "errors": "<b>a</b>"}
    answer = receiver_on(sqlite).test_client().post("/analyze", data=fields, headers=PAGE)
    assert answer.status_code == 422
    assert "`entityRef` is no entity reference" in answer.text
    for kept in ('value="in voice"', 'value="Errors"', "&lt;b&gt;a&lt;/b&gt;</textarea>"):
        assert kept in answer.text
    assert count(sqlite) == 0


def test_a_form_of_another_site_opens_nothing(sqlite: Database) -> None:
    elsewhere = PAGE | {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    answer = receiver_on(sqlite).test_client().post("/analyze", data={"entityRef": "x"}, headers=elsewhere)
    assert answer.status_code == 403
    signed_out = guarded_receiver_on(sqlite).test_client().post("/analyze", data={"entityRef": "x"}, headers=PAGE)
    assert signed_out.status_code == 401
    assert count(sqlite) == 0
