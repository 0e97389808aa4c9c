"""What an incident tells of its pushes, on both engines: waiting, delivered, or dead with the reason."""

from __future__ import annotations

from datetime import timedelta

from shared.database import Database
from shared.incident import Delivery, Diagnosis, ProbableCause, ProducedBy
from shared.moment import now
from shared.store import admission, endings, findings, intake, pushes, reading, work
from shared.store.endings import Conclusion
from shared.store.findings import Resolution
from shared.store.intake import ManualRequest
from shared.store.work import Claim


def _claimed(database: Database, work_id: str) -> Claim:
    claim = work.claim(database, work_id)
    assert claim is not None
    return claim


def _told(database: Database, incident_id: str) -> tuple[Delivery, ...]:
    document = reading.incident(database, incident_id)
    assert document is not None
    return document.deliveries


def _revision(database: Database, incident_id: str) -> int:
    revision = reading.revision(database, incident_id)
    assert revision is not None
    return revision.number


def test_every_push_is_told_with_its_tries_and_its_end(database: Database) -> None:
    asked = intake.open_manual(database, ManualRequest(service="web", title="t")).work[0]
    admission.admit(database, 1)
    first = _claimed(database, asked)
    (diagnosing,) = findings.resolve(database, first, Resolution({}, "web", None))
    cause = ProbableCause(statement="x", confidence=0.5)
    diagnosis = Diagnosis(probable_cause=cause, produced_by=ProducedBy(stage="brief"))
    conclusion = Conclusion(diagnosis, "x", recipients=("callback", "slack"))
    opened = endings.conclude(database, _claimed(database, diagnosing), conclusion)
    incident_id = first.incident_id
    assert [(each.id, each.to, each.state, each.tries) for each in _told(database, incident_id)] == [
        (opened[0], "callback", "waiting", 0),
        (opened[1], "slack", "waiting", 0),
    ]
    pushes.delivered(database, _claimed(database, opened[1]))
    before = _revision(database, incident_id)
    pause = timedelta(minutes=5)
    work.hand_back(database, _claimed(database, opened[0]), pause, "it answered 500")
    waiting, delivered = _told(database, incident_id)
    assert (waiting.state, waiting.tries, waiting.reason) == ("waiting", 1, "it answered 500")
    assert waiting.next_at is not None
    assert waiting.next_at > now() + timedelta(minutes=4)
    assert (delivered.state, delivered.tries, delivered.reason) == ("delivered", 1, None)
    assert _revision(database, incident_id) > before, "whoever polls with an ETag gets to see it"
    before = _revision(database, incident_id)
    pushes.delivered(database, _claimed(database, opened[0]), error="it answered 410")
    dead = _told(database, incident_id)[0]
    assert (dead.state, dead.tries, dead.next_at, dead.reason) == ("dead", 2, None, "it answered 410")
    assert _revision(database, incident_id) > before
