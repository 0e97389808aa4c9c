"""Incidents as JSON: the document, the list, conditional requests, waiting, and asking for another investigation."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.database import Database
from shared.store import intake
from tests.webhook.investigations import alert, conclude
from tests.webhook.receivers import ALERT, PAGE, Notes, receiver_on


def test_the_document(database: Database) -> None:
    client = receiver_on(database).test_client()
    incident_id = alert(client)
    unfinished = client.get(f"/incidents/{incident_id}")
    assert (unfinished.status_code, unfinished.get_json()["status"]) == (200, "queued")
    assert int(unfinished.headers["Retry-After"]) > 0
    assert "Accept" in unfinished.headers["Vary"]
    conclude(database, incident_id)
    finished = client.get(f"/incidents/{incident_id}")
    document = finished.get_json()
    assert (document["status"], document["analysis"]) == ("done", "## Probable cause")
    assert document["startedAt"] == "2026-11-23T03:12:00Z"
    assert document["diagnosis"]["producedBy"]["stage"] == "brief"
    assert "Retry-After" not in finished.headers


def test_what_is_known_is_not_sent_again(database: Database) -> None:
    client = receiver_on(database).test_client()
    incident_id = alert(client)
    etag = client.get(f"/incidents/{incident_id}").headers["ETag"]
    for known in (etag, etag.removeprefix("W/"), f'"x", {etag}', "*"):
        same = client.get(f"/incidents/{incident_id}", headers={"If-None-Match": known})
        assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", etag)
    assert client.get(f"/incidents/{incident_id}", headers={"If-None-Match": '"x"'}).status_code == 200
    alert(client, startedAt="2026-11-23T03:20:00Z")
    changed = client.get(f"/incidents/{incident_id}", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.get_json()["fireCount"]) == (200, 2)
    assert changed.headers["ETag"] != etag


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html", "text/html"),
        (PAGE["Accept"], "text/html"),
        ("image/png", "application/json"),
    ],
)
def test_browsers_get_pages_and_programs_json(sqlite: Database, accept: str, kind: str) -> None:
    client = receiver_on(sqlite).test_client()
    for path in ("/incidents", f"/incidents/{alert(client)}"):
        answer = client.get(path, headers={"Accept": accept})
        assert answer.mimetype == kind
        assert "Accept" in answer.headers["Vary"]
        assert answer.headers["Cache-Control"] == "private, no-cache"


def test_waiting_for_the_end(database: Database) -> None:
    client = receiver_on(database).test_client()
    incident_id = alert(client)
    in_vain = client.get(f"/incidents/{incident_id}", headers={"Prefer": "wait=1"})
    assert (in_vain.status_code, in_vain.get_json()["status"]) == (202, "queued")
    assert in_vain.headers["Preference-Applied"] == "wait=1"
    with ThreadPoolExecutor(1) as worker:
        done = worker.submit(conclude, database, incident_id)
        waited = client.get(f"/incidents/{incident_id}", headers={"Prefer": "wait=60"})
        done.result()
    assert (waited.status_code, waited.get_json()["status"]) == (200, "done")
    assert waited.headers["Preference-Applied"] == "wait=60"


def test_when_all_places_are_taken_nobody_waits(sqlite: Database) -> None:
    app = receiver_on(sqlite, waiting=1)
    client = app.test_client()
    incident_id = alert(client)
    with app.extensions["whydown"].waiting:
        answer = client.get(f"/incidents/{incident_id}", headers={"Prefer": "wait=60"})
    assert (answer.status_code, "Preference-Applied" in answer.headers) == (200, False)
    again = client.get(f"/incidents/{incident_id}", headers={"Prefer": "wait=0"})
    assert again.headers["Preference-Applied"] == "wait=0"


@pytest.mark.parametrize(
    "incident_id", ["abc", "a" * 40, "a" * 41, "ABC", "a%00b", "..%2fhealthz", "%F0%9F%98%80", "a'--"]
)
def test_what_is_no_incident_is_not_found(database: Database, incident_id: str) -> None:
    client = receiver_on(database).test_client()
    for method, path in (("GET", ""), ("POST", "/retry")):
        answer = client.open(f"/incidents/{incident_id}{path}", method=method)
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    waiting = client.get(f"/incidents/{incident_id}", headers={"Prefer": "wait=60"})
    assert waiting.status_code == 404


def test_the_list_is_newest_first_and_goes_on_page_by_page(database: Database) -> None:
    client = receiver_on(database).test_client()
    made = [alert(client, serviceName=f"service-{n}") for n in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = client.get("/incidents", query_string={"limit": 2, "cursor": cursor}).get_json()
        seen += [incident["id"] for incident in answer["incidents"]]
        cursor = answer["nextCursor"]
    assert seen == made[::-1]


def test_the_list_is_narrowed(database: Database) -> None:
    client = receiver_on(database).test_client()
    invoice = alert(client, alertTitle="Pool 100% full")
    shop = alert(client, serviceName="shop", severity="warning")

    def found(**query: str) -> set[str]:
        answer = client.get("/incidents", query_string=query)
        assert answer.status_code == 200, answer.text
        return {incident["id"] for incident in answer.get_json()["incidents"]}

    assert found() == {invoice, shop}
    assert found(service="shop") == found(severity="warning") == found(q="SHO") == {shop}
    assert found(q="pool 100%") == {invoice}
    assert found(q="pool_100") == found(status="done") == found(until="2026-01-01T00:00:00Z") == set()
    assert found(status="queued", since="2026-01-01T00:00:00Z", q="", service="") == {invoice, shop}
    client.post("/webhook/alert", json=ALERT | {"serviceName": "shop", "severity": "warning", "status": "resolved"})
    assert found(resolved="true") == {shop}
    assert found(resolved="False") == {invoice}


def test_the_list_says_where_in_the_queue_each_stands(database: Database) -> None:
    client = receiver_on(database).test_client()
    late = alert(client, serviceName="shop", severity="warning")
    first = alert(client, serviceName="search", severity="critical")
    covered = alert(client, serviceName="over", severity="critical")
    conclude(database, covered)  # admits the two that wait, too
    behind = alert(client, serviceName="ledger", severity="info")
    ahead = alert(client, serviceName="billing", severity="high")
    listed = client.get("/incidents").get_json()["incidents"]
    queue = {one["id"]: one["queue"] and one["queue"]["position"] for one in listed}
    assert queue == {ahead: 1, behind: 2, covered: None, first: None, late: None}
    page = client.get("/incidents", headers=PAGE).text
    assert page.index("number 1 in the queue") < page.index("number 2 in the queue")
    assert "2 wait for their turn, the longest for less than a minute" in page


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=open", "status"),
        ("severity=bad", "severity"),
        ("since=yesterday", "since"),
        ("until=2026-99-01T00:00:00Z", "until"),
        ("resolved=maybe", "resolved"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=%00", "cursor"),
        ("cursor=abc", "cursor"),
        ("cursor=" + "a" * 300, "cursor"),
        ("q=a%00b", "q"),
        ("service=a%00b", "service"),
    ],
)
def test_a_wrong_parameter_is_named(database: Database, query: str, field: str) -> None:
    answer = receiver_on(database).test_client().get(f"/incidents?{query}")
    assert (answer.status_code, answer.get_json()["field"]) == (422, field)


def test_investigating_again(database: Database) -> None:
    notes = Notes()
    client = receiver_on(database, notes).test_client()
    incident_id = alert(client)
    under_way = client.post(f"/incidents/{incident_id}/retry")
    assert (under_way.status_code, len(notes.published)) == (202, 1)
    conclude(database, incident_id)
    answer = client.post(f"/incidents/{incident_id}/retry")
    assert answer.status_code == 202
    assert answer.get_json()["incidents"][0]["status"] == "queued"
    assert answer.headers["Location"].endswith(incident_id)
    assert notes.published[1:] == [f"{incident_id}.2.investigate"]
    conclude(database, incident_id, attempt=2)
    assert len(client.get(f"/incidents/{incident_id}").get_json()["attempts"]) == 2


def test_a_browser_that_asks_again_is_led_back_to_the_page(sqlite: Database) -> None:
    client = receiver_on(sqlite).test_client()
    incident_id = alert(client)
    answer = client.post(f"/incidents/{incident_id}/retry", headers=PAGE | {"Origin": "http://localhost"})
    assert (answer.status_code, answer.location) == (303, f"/incidents/{incident_id}")


def test_the_front_door_leads_to_the_list(sqlite: Database) -> None:
    answer = receiver_on(sqlite).test_client().get("/", headers=PAGE)
    assert (answer.status_code, answer.location) == (303, "/incidents")


def test_a_database_that_is_gone_is_said_so() -> None:
    database = Database("postgresql+psycopg://whydown:hunter2@127.0.0.1:1/whydown")
    client = receiver_on(database).test_client()
    for path in ("/incidents", "/incidents/abc"):
        answer = client.get(path)
        assert (answer.status_code, "hunter2" in answer.text) == (503, False)
        assert "Retry-After" in answer.headers
    page = client.get("/incidents", headers=PAGE)
    assert (page.status_code, page.mimetype) == (503, "text/html")


def test_cancelled_before_it_began(database: Database) -> None:
    client = receiver_on(database).test_client()
    incident_id = alert(client)
    alert(client, status="resolved", endsAt="2026-11-23T03:13:00Z")
    document = client.get(f"/incidents/{incident_id}").get_json()
    assert (document["status"], document["resolvedAt"]) == ("cancelled", "2026-11-23T03:13:00Z")
    assert intake.investigate_again(database, incident_id) is not None
