"""Storms are deferred, never dropped: who may begin, and who waits where."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from shared.alert import Alert, AlertGroup, Delivery, Severity
from shared.database import Database
from shared.store import admission, endings, intake, reading, work
from shared.store.intake import ManualRequest
from shared.store.reading import Filters
from shared.tables import AttemptRow, Base, IncidentRow, WorkRow


def opened(database: Database, service: str, severity: Severity = Severity.WARNING) -> str:
    """The id of the work of a new incident."""
    return intake.open_manual(database, ManualRequest(service=service, title="t", severity=severity)).work[0]


def end(database: Database, work_id: str) -> None:
    """Investigates to the end, at once."""
    claim = work.claim(database, work_id)
    assert claim is not None
    endings.skip(database, claim, "over", (), ())


def position(database: Database, work_id: str) -> int | None:
    document = reading.incident(database, work_id.partition(".")[0])
    assert document is not None
    return document.queue.position if document.queue else None


def test_no_more_than_the_bound_begin_and_the_others_follow_as_room_is_made(database: Database) -> None:
    ids = [opened(database, f"s{n}") for n in range(5)]
    assert admission.admit(database, 2) == (ids[0], ids[1])
    assert admission.admit(database, 2) == (), "no room"
    assert work.claim(database, ids[2]) is None, "its turn has not come"
    end(database, ids[1])
    assert admission.admit(database, 2) == (ids[2],)


def test_the_worst_goes_first_then_the_oldest(database: Database) -> None:
    minor = opened(database, "a", Severity.INFO)
    old = opened(database, "b", Severity.CRITICAL)
    new = opened(database, "c", Severity.CRITICAL)
    assert [position(database, each) for each in (minor, old, new)] == [3, 1, 2]
    assert admission.admit(database, 1) == (old,)
    assert [position(database, each) for each in (minor, old, new)] == [2, None, 1]


def test_a_noisy_service_cannot_starve_another(database: Database) -> None:
    noisy = [opened(database, "noisy") for _ in range(20)]
    quiet = opened(database, "quiet")
    assert admission.admit(database, 2) == (noisy[0], quiet)
    end(database, noisy[0])
    end(database, quiet)
    late = opened(database, "late")
    assert admission.admit(database, 2) == (noisy[1], late)


def test_a_service_that_is_busy_waits_behind_one_that_is_not(database: Database) -> None:
    busy = [opened(database, "busy") for _ in range(3)]
    assert admission.admit(database, 2) == (busy[0], busy[1])
    other = opened(database, "other")
    with database.writing() as session:  # the catalog knows it by another name
        session.execute(update(IncidentRow).where(IncidentRow.service == "busy").values(service="Busy Service"))
    assert admission.admit(database, 3) == (other,)


def test_many_workers_at_once_keep_the_bound(database: Database) -> None:
    for n in range(30):
        opened(database, f"s{n}")
    with ThreadPoolExecutor(8) as pool:
        admitted = [each for ids in pool.map(lambda _: admission.admit(database, 7), range(16)) for each in ids]
    assert len(admitted) == len(set(admitted)) == 7


def test_what_is_being_cancelled_holds_up_nobody(postgres_url: str) -> None:
    """On SQLite writers come one at a time."""
    database = Database(postgres_url)
    Base.metadata.create_all(database.engine)
    ids = [opened(database, f"s{n}") for n in range(3)]
    with database.writing() as session:
        session.execute(update(WorkRow).where(WorkRow.id == ids[0]).values(state="cancelled"))
        assert admission.admit(database, 2) == (ids[1],), "the first two were looked at, and one was free"
    assert admission.admit(database, 2) == (ids[2],)
    with database.reading() as session:
        admitted = select(AttemptRow.incident_id).where(AttemptRow.admitted_at.is_not(None))
        assert set(session.scalars(admitted)) == {work_id.partition(".")[0] for work_id in ids[1:]}
    database.close()


def test_an_estimate_is_made_from_what_was_finished_lately(database: Database) -> None:
    first = opened(database, "s")
    waiting = reading.incident(database, first.partition(".")[0])
    assert waiting is not None
    assert waiting.queue is not None
    assert waiting.queue.estimate_seconds is None
    for _ in range(2):
        done = opened(database, "s", Severity.CRITICAL)
        admission.admit(database, 1)
        end(database, done)
    waiting = reading.incident(database, first.partition(".")[0])
    assert waiting is not None
    assert waiting.queue is not None
    assert waiting.queue.estimate_seconds is not None


def delivered(database: Database, service: str, alert: str, severity: Severity) -> str:
    """The id of the incident that an alert of a sender's opens or joins."""
    firing = Alert(alert, True, "t", service, severity)
    delivery = Delivery("alertmanager", (AlertGroup(service, service, "t", (firing,)),))
    return intake.accept(database, delivery, timedelta(hours=1)).incidents[0].id


def test_what_senders_deliver_waits_by_its_severity_and_service(database: Database) -> None:
    minor = delivered(database, "a", "one", Severity.INFO)
    old = delivered(database, "b", "two", Severity.WARNING)
    unknown = delivered(database, "c", "three", Severity.UNKNOWN)
    noisy = [opened(database, "b") for _ in range(2)]
    worst = delivered(database, "d", "four", Severity.CRITICAL)
    incidents = [worst, old, unknown, *(work_id.partition(".")[0] for work_id in noisy), minor]
    assert [position(database, each) for each in incidents] == [1, 2, 3, 4, 5, 6]
    assert {each.id: each.queue and each.queue.position for each in reading.page(database, Filters()).incidents} == {
        incident: place for place, incident in enumerate(incidents, 1)
    }, "the list says the same"
    admitted = [work_id.partition(".")[0] for work_id in admission.admit(database, 6)]
    assert admitted == incidents


def test_an_incident_that_becomes_worse_while_it_waits_comes_sooner(database: Database) -> None:
    first = delivered(database, "a", "one", Severity.WARNING)
    second = delivered(database, "b", "two", Severity.WARNING)
    assert delivered(database, "b", "another", Severity.CRITICAL) == second
    assert [position(database, each) for each in (first, second)] == [2, 1]
    assert admission.admit(database, 1) == (f"{second}.1.investigate",)


@pytest.mark.parametrize("seed", range(12))
def test_whoever_is_admitted_is_the_first_of_all_that_wait(seed: int, database: Database) -> None:
    """Whatever is under way, and however much of the line is one service's."""
    chance = random.Random(seed)  # noqa: S311
    services = [f"s{n}" for n in range(chance.choice((1, 2, 30)))]
    for _ in range(chance.randrange(30, 60)):
        opened(database, chance.choice(services), chance.choice((Severity.CRITICAL, Severity.INFO)))
    most = 0
    for free in (chance.randrange(1, 12) for _ in range(4)):
        most += free
        expected = _in_order(database)[:free]
        assert admission.admit(database, most) == tuple(expected)


def _in_order(database: Database) -> list[str]:
    """All that waits, by comparing it one by one."""
    with database.reading() as session:
        services = {row.id: row.service for row in session.scalars(select(IncidentRow))}
        work = session.scalars(select(WorkRow).order_by(WorkRow.created_at, WorkRow.id)).all()
    turns = Counter(services[row.incident_id] for row in work if row.state != "waiting")
    order = []
    for rank in sorted({row.rank for row in work}):  # all that is more urgent is under way by then
        for row in (row for row in work if row.state == "waiting" and row.rank == rank):
            turns[services[row.incident_id]] += 1
            order.append((rank, turns[services[row.incident_id]], row.created_at, row.id))
    return [work_id for *_, work_id in sorted(order)]
