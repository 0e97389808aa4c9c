"""Incidents opened and concluded in tests, without a worker."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from shared.database import Database
from shared.incident import Diagnosis, ProbableCause, ProducedBy
from shared.store import admission, endings, findings, work
from tests.webhook.receivers import ALERT


def alert(client: FlaskClient, **changes: Any) -> str:
    """The id of the incident that an alert opens."""
    answer = client.post("/webhook/alert", json={**ALERT, **changes})
    return str(answer.get_json()["incidents"][0]["id"])


def conclude(database: Database, incident_id: str, attempt: int = 1) -> None:
    """Does what a worker does, without looking at anything."""
    admission.admit(database, 99)
    claim = work.claim(database, f"{incident_id}.{attempt}.investigate")
    assert claim is not None
    (next_id,) = findings.resolve(database, claim, findings.Resolution({}, "invoice-api", None))
    diagnosing = work.claim(database, next_id)
    assert diagnosing is not None
    cause = ProbableCause(statement="The pool is too small.", confidence=0.8)
    diagnosis = Diagnosis(probable_cause=cause, produced_by=ProducedBy(stage="brief"))
    endings.conclude(database, diagnosing, endings.Conclusion(diagnosis, "## Probable cause"))
