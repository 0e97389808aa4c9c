"""One analysis for incidents that are plainly one trouble, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from sqlalchemy import select, update

from shared.alert import Alert, AlertGroup, Delivery, Severity
from shared.covering import Leader
from shared.database import Database
from shared.incident import Diagnosis, Incident, ProbableCause, ProducedBy
from shared.moment import now
from shared.store import admission, beginnings, covering, endings, findings, intake, reading, work
from shared.store.covering import Awaited
from shared.store.endings import Conclusion
from shared.store.findings import Resolution
from shared.store.intake import ManualRequest
from shared.store.work import Claim, Fenced
from shared.tables import IncidentRow, WorkRow

START = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=2)


def diagnosing(database: Database, service: str, severity: Severity = Severity.HIGH) -> Claim:
    """The claim on the diagnosis of a new incident, everything gathered."""
    alert = Alert(service, True, f"{service} is down", service, severity, starts_at=START)
    delivery = Delivery("alertmanager", (AlertGroup("g", service, alert.title, (alert,)),))
    return _diagnosing(database, intake.accept(database, delivery, WINDOW).work[0])


def _diagnosing(database: Database, work_id: str) -> Claim:
    admission.admit(database, 99)
    claim = _claimed(database, work_id)
    beginnings.begin(database, claim)
    return _claimed(database, findings.resolve(database, claim, Resolution({}, _service(database, claim), None))[0])


def _service(database: Database, claim: Claim) -> str:
    return beginnings.reported(database, claim.incident_id).service


def _claimed(database: Database, work_id: str) -> Claim:
    claim = work.claim(database, work_id)
    assert claim is not None
    return claim


def concluded(database: Database, claim: Claim, stage: Literal["brief", "model"] = "model") -> tuple[str, ...]:
    """Its analysis is done."""
    cause = ProbableCause(statement="The disk is full", confidence=0.9)
    return endings.conclude(database, claim, Conclusion(Diagnosis(probable_cause=cause, produced_by=_by(stage)), "x"))


def _by(stage: Literal["brief", "model"]) -> ProducedBy:
    return ProducedBy(stage=stage)


def look(database: Database, claim: Claim, *services: str) -> Leader | None:
    """Who covers it, if somebody does."""
    return covering.leader(database, claim, services, WINDOW)


def shown(database: Database, claim: Claim) -> Incident:
    """Its document."""
    document = reading.incident(database, claim.incident_id)
    assert document is not None
    return document


def test_a_follower_waits_for_the_analysis_and_takes_it(database: Database) -> None:
    db, api = diagnosing(database, "db"), diagnosing(database, "api")
    with pytest.raises(Awaited):
        look(database, api, "db")
    assert [(each.id, each.relation) for each in shown(database, db).covers] == [(api.incident_id, "dependent")]
    assert (shown(database, api).covered_by or pytest.fail()).id == db.incident_id
    assert concluded(database, db) == (api.work_id,), "whoever waits is woken"
    again = _claimed(database, api.work_id)
    assert again.tries == 1, "waiting is no try"
    found = look(database, again, "db")
    assert found is not None
    assert (found.incident_id, found.diagnosis.probable_cause.statement) == (db.incident_id, "The disk is full")


def test_an_analysis_that_ended_meanwhile_is_taken_at_once(database: Database) -> None:
    db, api = diagnosing(database, "db"), diagnosing(database, "api")
    concluded(database, db)
    assert look(database, api, "db") is not None
    late = diagnosing(database, "web")
    assert look(database, late, "db") is None, "it was over when this one came"


def test_whoever_waits_is_found_when_nobody_wakes_it(database: Database) -> None:
    _, api = diagnosing(database, "db"), diagnosing(database, "api")
    with pytest.raises(Awaited):
        look(database, api, "db")
    with database.writing() as session:
        session.execute(update(WorkRow).where(WorkRow.id == api.work_id).values(due_at=now() - timedelta(seconds=1)))
    assert api.work_id in work.sweep(database).publish
    with pytest.raises(Fenced):
        look(database, api, "db")


def test_an_analysis_that_fails_releases_those_who_wait(database: Database) -> None:
    db, api = diagnosing(database, "db"), diagnosing(database, "api")
    with pytest.raises(Awaited):
        look(database, api, "db")
    assert endings.fail(database, db, "given up") == (api.work_id,), "whoever waits is woken"
    assert look(database, _claimed(database, api.work_id), "db") is None
    assert shown(database, api).covered_by is None
    assert shown(database, db).covers == ()


def test_a_wait_has_an_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    db, api = diagnosing(database, "db"), diagnosing(database, "api")
    with pytest.raises(Awaited):
        look(database, api, "db")
    assert shown(database, db).finished_at is None
    monkeypatch.setattr(covering, "LONGEST_WAIT", timedelta(0))
    assert look(database, _claimed(database, api.work_id), "db") is None
    assert shown(database, api).covered_by is None


def test_the_brief_in_the_models_place_covers_nobody(database: Database) -> None:
    db, api = diagnosing(database, "db"), diagnosing(database, "api")
    concluded(database, db, stage="brief")
    assert look(database, api, "db") is None


def test_who_covers_is_covered_by_none_and_who_is_covered_covers_none(database: Database) -> None:
    disk, db, api = (diagnosing(database, name) for name in ("disk", "db", "api"))
    with pytest.raises(Awaited):
        look(database, api, "db")
    assert look(database, db, "disk") is None, "it covers the api"
    web, mail = diagnosing(database, "web"), diagnosing(database, "mail")
    with pytest.raises(Awaited):
        look(database, web, "disk")
    assert look(database, mail, "web") is None, "it is covered"
    assert shown(database, disk).covers[0].service == "web"


def test_only_what_is_plain_is_covered(database: Database) -> None:
    minor, db = diagnosing(database, "minor", Severity.WARNING), diagnosing(database, "db")
    assert look(database, db, "minor") is None, "it is worse"
    assert look(database, minor, "db") is None, "it came first"
    api = diagnosing(database, "api")
    assert look(database, api, "elsewhere") is None
    by_hand = intake.open_manual(database, ManualRequest(service="api", title="t", severity=Severity.HIGH))
    assert look(database, _diagnosing(database, by_hand.work[0]), "db") is None, "somebody asked for it"
    with database.writing() as session:
        session.get_one(IncidentRow, db.incident_id).received_at -= WINDOW + timedelta(seconds=1)
    assert look(database, api, "db") is None, "it came long before"


def test_one_that_waits_for_its_turn_is_not_waited_for(database: Database) -> None:
    alert = Alert("db", True, "db is down", "db", Severity.HIGH, starts_at=START)
    intake.accept(database, Delivery("alertmanager", (AlertGroup("g", "db", "t", (alert,)),)), WINDOW)
    web = Alert("web", True, "web is down", "web", Severity.CRITICAL, starts_at=START)
    taken = intake.accept(database, Delivery("alertmanager", (AlertGroup("g", "web", "t", (web,)),)), WINDOW)
    assert admission.admit(database, 1) == taken.work
    claim = _claimed(database, taken.work[0])
    with database.writing() as session:
        session.get_one(IncidentRow, claim.incident_id).severity = "info"
    diagnosis = findings.resolve(database, claim, Resolution({}, "web", None))[0]
    assert look(database, _claimed(database, diagnosis), "db") is None


def test_investigated_again_it_stands_for_itself(database: Database) -> None:
    db, api = diagnosing(database, "db"), diagnosing(database, "api")
    concluded(database, db)
    assert look(database, api, "db") is not None
    concluded(database, api)
    before, revision = shown(database, db), reading.revision(database, db.incident_id)
    assert [each.id for each in before.covers] == [api.incident_id]
    again = intake.investigate_again(database, api.incident_id)
    assert again is not None
    assert shown(database, api).covered_by is None
    after, later = shown(database, db), reading.revision(database, db.incident_id)
    assert after.covers == ()
    assert revision and later and later.number > revision.number, "who polls with an ETag is told"
    assert look(database, _diagnosing(database, again.work[0]), "db") is None


def test_many_at_once_make_no_chain_and_no_circle(database: Database) -> None:
    names = [f"s{n}" for n in range(6)]
    claims = [diagnosing(database, name) for name in names]

    def looking(claim: Claim) -> None:
        with suppress(Awaited):
            look(database, claim, *names)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(looking, reversed(claims)))
    with database.reading() as session:
        covered = {row.id: row.covered_by for row in session.scalars(select(IncidentRow))}
    assert not any(covered[leader] for leader in covered.values() if leader)
