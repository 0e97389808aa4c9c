"""Every failed incident investigated again, by the API, the list page and the command line, on both engines."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from shared.database import Database
from shared.incident import Status
from shared.moment import now
from shared.store import admission, endings, reading, work
from shared.tables import IncidentRow
from tests.loopback import Asked, Reply, StandIn
from tests.webhook.investigations import alert, conclude
from tests.webhook.receivers import PAGE, WEBHOOK, Notes, guarded_receiver_on, receiver_on
from tests.whydown.test_commands import whydown


def _failed(database: Database, client: FlaskClient, service: str, hours_ago: int = 0) -> str:
    incident_id = alert(client, serviceName=service)
    admission.admit(database, 99)
    claim = work.claim(database, f"{incident_id}.1.investigate")
    assert claim is not None
    endings.fail(database, claim, "because")
    with database.writing() as session:
        received = now() - timedelta(hours=hours_ago)
        session.execute(update(IncidentRow).where(IncidentRow.id == incident_id).values(received_at=received))
    return incident_id


def _status(database: Database, incident_id: str) -> Status:
    document = reading.incident(database, incident_id)
    assert document is not None
    return document.status


def test_what_failed_since_then_is_investigated_again_and_nothing_else(database: Database) -> None:
    notes = Notes()
    client = receiver_on(database, notes).test_client()
    done = alert(client, serviceName="done")
    conclude(database, done)
    old, recent, other = (
        _failed(database, client, name, hours) for name, hours in (("old", 5), ("recent", 1), ("other", 1))
    )
    notes.published.clear()
    answer = client.post("/incidents/retry", json={"since": "2h", "service": "recent"})
    assert answer.status_code == 202
    assert [each["id"] for each in answer.get_json()["incidents"]] == [recent]
    assert notes.published == [f"{recent}.2.investigate"]
    assert _status(database, recent) is Status.QUEUED
    assert [_status(database, each) for each in (done, old, other)] == [Status.DONE, Status.FAILED, Status.FAILED]
    since = (now() - timedelta(hours=9)).isoformat()
    answer = client.post("/incidents/retry", json={"since": since})
    assert [each["id"] for each in answer.get_json()["incidents"]] == [old, other]
    again = client.post("/incidents/retry", json={"since": since}).get_json()
    assert again == {"incidents": [], "ignored": "no incident failed since then"}


def test_the_list_has_a_button_for_it_when_some_failed(database: Database) -> None:
    client = receiver_on(database).test_client()
    conclude(database, alert(client, serviceName="done"))
    assert "/incidents/retry" not in client.get("/incidents", headers=PAGE).text
    failed = _failed(database, client, "recent")
    assert 'action="/incidents/retry"' in client.get("/incidents", headers=PAGE).text
    answer = client.post("/incidents/retry", data={"since": "24h"}, headers=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/incidents")
    assert _status(database, failed) is Status.QUEUED


@pytest.mark.parametrize("since", ["", "yesterday", "2w", "0h", None, 5])
def test_a_time_that_is_none_is_named(sqlite: Database, since: object) -> None:
    answer = receiver_on(sqlite).test_client().post("/incidents/retry", json={"since": since})
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert "since" in answer.get_json()["detail"]


def test_only_for_the_api_token(sqlite: Database) -> None:
    client = guarded_receiver_on(sqlite).test_client()
    assert client.post("/incidents/retry", json={"since": "2h"}, headers=WEBHOOK).status_code == 401


def test_the_command_says_which(tmp_path: Path) -> None:
    def respond(asked: Asked) -> Reply:
        assert (asked.method, asked.path) == ("POST", "/incidents/retry")
        found = [{"id": "inc1", "status": "queued", "url": "http://x/incidents/inc1", "new": False}]
        return Reply({"incidents": found if asked.json() == {"since": "2h", "service": "web"} else []}, 202)

    with StandIn(respond) as running:
        told = whydown("retry", "--failed", "--since", "2h", "--service", "web", "--url", running.url, folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines() == ["queued     http://x/incidents/inc1", "1 incident is investigated again"]
