"""Feedback on incidents: what is kept, what is refused and how, and who may give it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from shared.database import Database
from shared.incident import MAX_SAID
from shared.store import intake
from shared.tables import FeedbackRow
from tests.webhook.investigations import alert, conclude
from tests.webhook.receivers import API, PAGE, WEBHOOK, guarded_receiver_on, receiver_on

SAID = {"verdict": "wrong", "actualCause": "a full disk", "fixedBy": "emptied /var/log"}


@pytest.fixture
def client(database: Database) -> FlaskClient:
    """A browser or program that asks a receiver without tokens."""
    return receiver_on(database).test_client()


@pytest.fixture
def concluded(database: Database, client: FlaskClient) -> str:
    """The id of an incident with a diagnosis."""
    incident_id = alert(client)
    conclude(database, incident_id)
    return incident_id


def kept(database: Database) -> list[tuple[int, str, str | None]]:
    with database.reading() as session:
        rows = session.scalars(select(FeedbackRow).order_by(FeedbackRow.number))
        return [(row.number, row.verdict, row.fixed_by) for row in rows]


def test_the_latest_counts_and_all_is_kept(database: Database, client: FlaskClient, concluded: str) -> None:
    path = f"/incidents/{concluded}"
    before = client.get(path)
    assert before.get_json()["feedback"] is None
    answer = client.post(f"{path}/feedback", json=SAID)
    assert answer.status_code == 200, answer.text
    first = answer.get_json()["feedback"]
    assert first == {**SAID, "at": first["at"], "attempt": 1}
    assert answer.headers["ETag"] == client.get(path).headers["ETag"] != before.headers["ETag"]

    again = client.post(f"{path}/feedback", json={**SAID, "fixedBy": "  emptied /var/log\r\n"})
    assert (again.get_json()["feedback"], again.headers["ETag"]) == (first, answer.headers["ETag"]), "said twice"

    client.post(f"{path}/feedback", json={"verdict": "right", "actualCause": None, "fixedBy": ""})
    latest = client.get(path).get_json()["feedback"]
    assert (latest["verdict"], latest["actualCause"], latest["fixedBy"]) == ("right", None, None)
    assert kept(database) == [(1, "wrong", "emptied /var/log"), (2, "right", None)]


def test_a_judgement_names_the_attempt_that_it_judges(database: Database, client: FlaskClient, concluded: str) -> None:
    client.post(f"/incidents/{concluded}/feedback", json=SAID)
    intake.investigate_again(database, concluded)
    conclude(database, concluded, attempt=2)
    assert client.get(f"/incidents/{concluded}").get_json()["feedback"]["attempt"] == 1
    assert client.post(f"/incidents/{concluded}/feedback", json=SAID).get_json()["feedback"]["attempt"] == 2


@pytest.mark.parametrize(
    ("body", "field", "fix"),
    [
        ({}, "verdict", "is missing (how the diagnosis was: right, partly or wrong)"),
        ({"verdict": "good"}, "verdict", "right, partly or wrong"),
        ({"verdict": ["right"]}, "verdict", "right, partly or wrong"),
        ({"verdict": "right", "fixedBy": 7}, "fixedBy", "must be a string"),
        ({"verdict": "right", "actualCause": "x" * (MAX_SAID + 1)}, "actualCause", f"at most {MAX_SAID} characters"),
        ([], None, "must be a JSON object"),
    ],
)
def test_what_cannot_be_taken_is_refused_with_field_and_fix(
    client: FlaskClient, concluded: str, body: Any, field: str | None, fix: str
) -> None:
    answer = client.post(f"/incidents/{concluded}/feedback", json=body)
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert answer.get_json().get("field") == field
    assert fix in answer.get_json()["detail"]
    assert client.get(f"/incidents/{concluded}").get_json()["feedback"] is None


def test_the_longest_text_is_kept_whole(client: FlaskClient, concluded: str) -> None:
    long = "x" * MAX_SAID
    answer = client.post(f"/incidents/{concluded}/feedback", json={"verdict": "right", "fixedBy": long})
    assert answer.get_json()["feedback"]["fixedBy"] == long


def test_an_unfinished_or_unknown_incident_cannot_be_judged(database: Database, client: FlaskClient) -> None:
    waiting = client.post(f"/incidents/{alert(client)}/feedback", json=SAID)
    assert (waiting.status_code, waiting.get_json()["field"]) == (409, "status")
    assert "judge it when" in waiting.get_json()["detail"]
    unknown = client.post("/incidents/none/feedback", json=SAID)
    assert (unknown.status_code, unknown.get_json()["field"]) == (404, "incident_id")
    assert kept(database) == []


def test_the_page_s_form_leads_back_to_the_page(database: Database, client: FlaskClient, concluded: str) -> None:
    form = {"verdict": "partly", "actualCause": "", "fixedBy": "a restart"}
    answer = client.post(f"/incidents/{concluded}/feedback", data=form, headers=PAGE)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/incidents/{concluded}#feedback")
    assert kept(database) == [(1, "partly", "a restart")]
    refused = client.post(f"/incidents/{concluded}/feedback", data={"verdict": "fine"}, headers=PAGE)
    assert (refused.status_code, refused.mimetype) == (422, "text/html")


def test_only_the_api_s_own_users_may_judge(sqlite: Database) -> None:
    app = guarded_receiver_on(sqlite)
    client = app.test_client()
    answer = client.post("/webhook/alert", json={"serviceName": "s", "alertTitle": "t"}, headers=WEBHOOK)
    incident_id = answer.get_json()["incidents"][0]["id"]
    conclude(sqlite, incident_id)
    path = f"/incidents/{incident_id}/feedback"
    assert client.post(path, json=SAID).status_code == 401
    assert client.post(path, json=SAID, headers=WEBHOOK).status_code == 401
    assert client.post(path, json=SAID, headers=API).status_code == 200


@pytest.mark.parametrize("site", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_a_page_of_another_site_cannot_judge(
    database: Database, client: FlaskClient, concluded: str, site: dict[str, str]
) -> None:
    answer = client.post(f"/incidents/{concluded}/feedback", data=SAID, headers=site)
    assert (answer.status_code, kept(database)) == (403, [])
