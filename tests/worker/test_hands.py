"""How claims end while the database is away: what is owed to it is written when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DataError, OperationalError

from shared.database import Database
from shared.incident import Status
from shared.moment import now
from shared.settings import Investigation
from shared.store import admission, findings, intake, reading, work
from shared.store.findings import Resolution
from shared.store.intake import ManualRequest
from shared.store.work import Claim, GoingOn
from shared.tables import WorkRow
from worker import tasks
from worker.notifiers import PushFailure
from worker.parts import Parts
from worker.pipeline import Course
from worker.tasks import StageFailure

GONE = OperationalError("COMMIT", {}, Exception("server closed the connection unexpectedly"))
REFUSED = DataError("INSERT", {}, Exception("invalid input syntax"))


def failure(cause: Exception) -> StageFailure:
    """What a stage that met `cause` raises."""

    def met(parts: Parts, claim: Claim, course: Course) -> tuple[str, ...]:
        raise cause

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tasks.STAGES, "investigate", met)
        with pytest.raises(StageFailure) as raised:
            tasks._carry_out(Claim("w", "i", 1, "investigate", "", "o", 1, 0))
    return raised.value


class Outage:
    """A worker whose database can be away: then its address is one that nobody listens on."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.nowhere = Database("postgresql+psycopg://w@127.0.0.1:1/w")
        self.away = False

    def parts(self) -> Parts:
        return Parts(database=self.nowhere if self.away else self.database, settings=Investigation(), sources={})

    def row(self, claim: Claim) -> WorkRow:
        with self.database.reading() as session:
            return session.get_one(WorkRow, claim.work_id)


@pytest.fixture
def outage(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    outage = Outage(database)
    monkeypatch.setattr(tasks, "parts", outage.parts)
    monkeypatch.setattr(tasks, "publish", lambda _: None)
    yield outage
    assert not tasks._hands._owed, "nothing is owed any more"
    outage.nowhere.close()


@pytest.fixture
def claimed(database: Database) -> Claim:
    (work_id,) = intake.open_manual(database, ManualRequest("invoice-api", "t")).work
    admission.admit(database, 1)
    claim = work.claim(database, work_id)
    assert claim is not None
    return claim


def test_work_is_handed_back_when_the_database_is_back(outage: Outage, claimed: Claim) -> None:
    outage.away = True
    tasks._fail(claimed, failure(GONE))
    tasks._hands.pay()
    assert outage.row(claimed).state == "running"
    outage.away = False
    tasks._hands.pay()
    row = outage.row(claimed)
    assert (row.state, row.owner, row.tries) == ("pending", None, 0), "it waits for no lease, and it was not its fault"
    assert row.due_at <= now()


def test_the_reason_of_a_failure_outlives_the_outage(outage: Outage, claimed: Claim) -> None:
    outage.away = True
    tasks._fail(replace(claimed, tries=tasks.MAX_TRIES), failure(ValueError("x")))
    outage.away = False
    tasks._hands.pay()
    document = reading.incident(outage.database, claimed.incident_id)
    assert document is not None
    assert document.status is Status.FAILED
    assert "ValueError in investigate, 3 times" in str(document.detail)


def test_a_pause_before_the_next_push_outlives_the_outage(outage: Outage, claimed: Claim) -> None:
    outage.away = True
    tasks._push_again(claimed, PushFailure("answered 503"))
    outage.away = False
    tasks._hands.pay()
    row = outage.row(claimed)
    assert (row.state, row.error, row.tries) == ("pending", "answered 503", 1)
    assert row.due_at > now()


def test_what_a_stage_opened_when_the_database_was_back_is_left_to_others(
    outage: Outage, claimed: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever would have gone on with it has ended."""
    published: list[str] = []
    monkeypatch.setattr(tasks, "publish", published.extend)
    resolution = Resolution({}, "invoice-api", None, sources=("logs.loki",))

    def store() -> tuple[str, ...]:
        return findings.resolve(outage.parts().database, claimed, resolution, GoingOn(timedelta(seconds=10)))

    outage.away = True
    assert tasks._store(claimed, store) == []
    outage.away = False
    tasks._hands.pay()
    assert outage.row(claimed).state == "done"
    assert published == [f"{claimed.incident_id}.1.gather.logs.loki"]
    with outage.database.reading() as session:
        row = session.get_one(WorkRow, published[0])
        assert (row.state, row.owner, row.tries) == ("pending", None, 0)


def test_what_somebody_else_took_over_meanwhile_stays_his(outage: Outage, claimed: Claim) -> None:
    outage.away = True
    tasks._fail(claimed, failure(GONE))
    outage.away = False
    with outage.database.writing() as session:
        session.execute(update(WorkRow).values(due_at=now() - timedelta(seconds=1)))
    taken = work.claim(outage.database, claimed.work_id)
    assert taken is not None
    tasks._hands.pay()
    assert outage.row(claimed).owner == taken.owner


def test_content_that_the_database_refuses_counts_as_a_failure(outage: Outage, claimed: Claim) -> None:
    """Tried for ever, it would never end."""
    tasks._fail(replace(claimed, tries=tasks.MAX_TRIES), failure(REFUSED))
    document = reading.incident(outage.database, claimed.incident_id)
    assert document is not None
    assert document.status is Status.FAILED
