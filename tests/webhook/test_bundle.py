"""GET /incidents/<id>/bundle: what an investigation rested on and came to, on both engines."""

from __future__ import annotations

from flask.testing import FlaskClient

from shared.database import Database
from shared.store import intake
from tests.webhook.investigations import alert, conclude
from tests.webhook.receivers import API, WEBHOOK, guarded_receiver_on, receiver_on


def test_everything_is_in_it_and_it_is_a_file_to_keep(database: Database) -> None:
    client = receiver_on(database).test_client()
    incident_id = alert(client)
    conclude(database, incident_id)
    client.post(f"/incidents/{incident_id}/feedback", json={"verdict": "right", "fixedBy": "a revert"})
    answer = client.get(f"/incidents/{incident_id}/bundle")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == f'attachment; filename="whydown-{incident_id}.json"'
    bundle = answer.get_json()
    shown = client.get(f"/incidents/{incident_id}").get_json()
    assert bundle["format"] == "whydown-bundle/1"
    assert bundle["alert"]["incidentId"] == incident_id
    assert (bundle["alert"]["service"], bundle["attempt"]) == (shown["service"], 1)
    for part in ("coverage", "brief", "diagnosis", "usage", "feedback"):
        assert bundle[part] == shown[part]
    assert [{**fact, "data": None} for fact in bundle["facts"]] == [{**fact, "data": None} for fact in shown["facts"]]
    assert set(bundle["versions"]) == {"whydown", "prompt"}


def test_the_last_attempt_that_ended_counts(database: Database) -> None:
    client = receiver_on(database).test_client()
    incident_id = alert(client)
    unfinished = client.get(f"/incidents/{incident_id}/bundle")
    assert (unfinished.status_code, unfinished.mimetype) == (409, "application/problem+json")
    assert "Prefer: wait=60" in unfinished.get_json()["detail"]
    conclude(database, incident_id)
    assert intake.investigate_again(database, incident_id)
    assert client.get(f"/incidents/{incident_id}/bundle").get_json()["attempt"] == 1


def test_an_unknown_incident_and_a_stranger(database: Database) -> None:
    client: FlaskClient = guarded_receiver_on(database).test_client()
    assert client.get("/incidents/nosuch/bundle", headers=API).status_code == 404
    assert client.get("/incidents/nosuch/bundle").status_code == 401
    assert client.get("/incidents/nosuch/bundle", headers=WEBHOOK).status_code == 401
