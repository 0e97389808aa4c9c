"""Taking alerts in, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select, text, update

from shared.alert import UNNAMED, Alert, AlertGroup, Delivery, Severity
from shared.database import Database
from shared.incident import Status
from shared.store import admission, arrivals, beginnings, findings, intake, opening, reading, work
from shared.store.arrivals import Accepted
from shared.store.intake import IdempotencyConflict, IdempotencyKey, ManualRequest
from shared.tables import AlertRow, AttemptRow, Base, IncidentRow, WorkRow

QUIET = timedelta(hours=1)
START = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)


def alert(fingerprint: str = "a", *, firing: bool = True, start: datetime | None = START) -> Alert:
    return Alert(
        fingerprint=fingerprint,
        firing=firing,
        title="High error rate",
        service="checkout",
        severity=Severity.WARNING,
        starts_at=start,
        ends_at=None if firing or start is None else start + timedelta(minutes=5),
        labels={"service": "checkout", "instance": fingerprint},
    )


def delivery(*alerts: Alert, key: str = "group") -> Delivery:
    group = AlertGroup(key=key, service="checkout", title="High error rate", alerts=alerts)
    return Delivery(sender="alertmanager", groups=(group,))


def test_a_firing_alert_is_an_incident_with_work(database: Database) -> None:
    taken = intake.accept(database, delivery(alert("a"), alert("b")), QUIET)
    (accepted,) = taken.incidents
    assert accepted.new
    assert taken.work == (f"{accepted.id}.1.investigate",)
    document = reading.incident(database, accepted.id)
    assert document is not None
    assert (document.status, document.fire_count, document.started_at) == (Status.QUEUED, 1, START)
    assert document.labels == {"service": "checkout"}, "what the alerts have in common"
    assert [seen.status for seen in document.alerts] == ["firing", "firing"]


def test_the_same_delivery_again_is_the_same_alert(database: Database) -> None:
    first = intake.accept(database, delivery(alert()), QUIET)
    again = intake.accept(database, delivery(alert()), QUIET)
    assert again.incidents == (replace(first.incidents[0], new=False),)
    assert again.work == ()
    document = reading.incident(database, first.incidents[0].id)
    assert document is not None
    assert document.fire_count == 1


def test_a_hundred_parallel_deliveries_of_one_alert_are_one_row(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: intake.accept(database, delivery(alert()), QUIET), range(100)))
    assert sum(each.incidents[0].new for each in taken) == 1
    assert len({each.incidents[0].id for each in taken}) == 1
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(IncidentRow)) == 1
        assert session.scalar(select(AlertRow.deliveries)) == 100


def test_a_refire_joins_and_counts(database: Database) -> None:
    first = intake.accept(database, delivery(alert()), QUIET)
    later = intake.accept(database, delivery(alert(start=START + timedelta(minutes=7))), QUIET)
    assert later.incidents == (replace(first.incidents[0], new=False),)
    document = reading.incident(database, first.incidents[0].id)
    assert document is not None
    assert document.fire_count == 2


def test_resolved_inside_a_firing_group_does_not_resolve_the_incident(database: Database) -> None:
    intake.accept(database, delivery(alert("a"), alert("b")), QUIET)
    taken = intake.accept(database, delivery(alert("a", firing=False), alert("b")), QUIET)
    document = reading.incident(database, taken.incidents[0].id)
    assert document is not None
    assert {seen.fingerprint: seen.status for seen in document.alerts} == {"a": "resolved", "b": "firing"}
    assert document.resolved_at is None


def test_resolved_before_work_began_cancels_it(database: Database) -> None:
    first = intake.accept(database, delivery(alert()), QUIET)
    intake.accept(database, delivery(alert(firing=False)), QUIET)
    document = reading.incident(database, first.incidents[0].id)
    assert document is not None
    assert document.status is Status.CANCELLED
    assert document.resolved_at == START + timedelta(minutes=5)
    assert work.claim(database, first.work[0]) is None


def test_resolved_after_work_began_only_marks_it(database: Database) -> None:
    first = intake.accept(database, delivery(alert()), QUIET)
    admission.admit(database, 1)
    assert work.claim(database, first.work[0]) is not None
    intake.accept(database, delivery(alert(firing=False)), QUIET)
    document = reading.incident(database, first.incidents[0].id)
    assert document is not None
    assert (document.status, document.resolved_at is not None) == (Status.QUEUED, True)


def test_a_refire_of_a_cancelled_incident_is_investigated(database: Database) -> None:
    first = intake.accept(database, delivery(alert()), QUIET)
    intake.accept(database, delivery(alert(firing=False)), QUIET)
    again = intake.accept(database, delivery(alert(start=START + timedelta(minutes=9))), QUIET)
    assert again.incidents[0].id == first.incidents[0].id
    assert again.work == (f"{first.incidents[0].id}.2.investigate",)


def test_a_refire_long_after_the_end_is_a_new_incident_that_names_the_old(database: Database) -> None:
    first = intake.accept(database, delivery(alert()), QUIET)
    intake.accept(database, delivery(alert(firing=False)), QUIET)
    _age(database, first.incidents[0].id, QUIET * 2)
    again = intake.accept(database, delivery(alert(start=START + timedelta(days=1))), QUIET)
    assert again.incidents[0].new
    document = reading.incident(database, again.incidents[0].id)
    assert document is not None
    assert document.previous == first.incidents[0].id


def test_a_resolved_alert_never_seen_firing_opens_nothing(database: Database) -> None:
    assert intake.accept(database, delivery(alert(firing=False)), QUIET) == intake.Intake()


def test_a_resolved_alert_that_lost_its_service_finds_its_incident(database: Database) -> None:
    first = intake.accept(database, delivery(alert()), QUIET)
    nameless = AlertGroup(key="other", service=UNNAMED, title="ok", alerts=(alert(firing=False, start=None),))
    taken = intake.accept(database, Delivery(sender="alertmanager", groups=(nameless,)), QUIET)
    assert [accepted.id for accepted in taken.incidents] == [first.incidents[0].id]
    document = reading.incident(database, first.incidents[0].id)
    assert document is not None
    assert document.resolved_at is not None


def test_without_a_start_each_delivery_is_a_firing(database: Database) -> None:
    first = intake.accept(database, delivery(alert(start=None)), QUIET)
    intake.accept(database, delivery(alert(start=None)), QUIET)
    document = reading.incident(database, first.incidents[0].id)
    assert document is not None
    assert document.fire_count == 2


def test_a_start_in_the_far_future_is_a_wrong_clock(database: Database) -> None:
    taken = intake.accept(database, delivery(alert(start=datetime(2199, 1, 1, tzinfo=UTC))), QUIET)
    document = reading.incident(database, taken.incidents[0].id)
    assert document is not None
    assert document.started_at == document.received_at


def test_a_manual_analysis_is_always_new(database: Database) -> None:
    request = ManualRequest(service="checkout", title="Manual analysis", errors="boom")
    assert intake.open_manual(database, request).incidents[0].new
    assert intake.open_manual(database, request).incidents[0].new


@pytest.mark.parametrize("errors", ["boom", None])
def test_whoever_takes_an_attempt_up_is_told_what_its_alerts_reported(database: Database, errors: str | None) -> None:
    request = ManualRequest(service="checkout", title="Manual analysis", errors=errors)
    (incident,) = intake.open_manual(database, request).incidents
    (work_id,) = admission.admit(database, 1)
    taken = beginnings.take_up(database, work_id)
    assert taken is not None
    claim, told = taken
    assert (told.service, told.title, told.errors) == ("checkout", "Manual analysis", (errors,) if errors else ())
    assert beginnings.reported(database, incident.id) == told
    assert findings.so_far(database, incident.id, claim.attempt)[0] == replace(told, errors=())


def test_an_idempotency_key_makes_one_incident_also_in_parallel(database: Database) -> None:
    request = ManualRequest(service="checkout", title="Manual analysis")
    key = IdempotencyKey("/analyze", "k1", b"{}")
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: intake.open_manual(database, request, key), range(20)))
    assert len({each.incidents[0].id for each in taken}) == 1
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(IncidentRow)) == 1
    with pytest.raises(IdempotencyConflict):
        intake.open_manual(database, request, replace(key, body=b"other"))


def test_investigating_again_opens_the_next_attempt_once(database: Database) -> None:
    taken = intake.accept(database, delivery(alert()), QUIET)
    incident_id = taken.incidents[0].id
    assert intake.investigate_again(database, "nope") is None
    under_way = intake.investigate_again(database, incident_id)
    assert under_way is not None
    assert under_way.work == ()
    with database.writing() as session:
        session.execute(update(IncidentRow).values(status=Status.DONE))
    again = intake.investigate_again(database, incident_id)
    assert again is not None
    assert again.work == (f"{incident_id}.2.investigate",)


def _age(database: Database, incident_id: str, by: timedelta) -> None:
    with database.writing() as session:
        row = session.get_one(IncidentRow, incident_id)
        row.last_seen_at -= by


def test_deliveries_of_the_same_moment_are_committed_together_and_each_by_itself(database: Database) -> None:
    reception = intake.Reception(database, QUIET)
    deliveries = [delivery(alert(f"a{n}"), alert(f"b{n}"), key=f"group-{n % 40}") for n in range(120)]
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(reception.accept, deliveries))
    assert len({one.id for each in taken for one in each.incidents}) == 40
    assert sum(one.new for each in taken for one in each.incidents) == 40
    assert len([work for each in taken for work in each.work]) == 40
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(AlertRow)) == 240
        assert session.scalar(select(func.sum(IncidentRow.fire_count))) == 120, "each was a firing of its own"


def test_what_the_driver_stores_is_what_the_orm_would(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "now", lambda: START)
    (taken,) = intake.accept(database, delivery(alert("a"), alert("b")), QUIET).incidents
    by_driver = _stored(database, taken.id)
    with database.writing() as session:
        session.execute(delete(IncidentRow))
    (by_orm,) = intake._taken(database, delivery(alert("a"), alert("b")), QUIET)
    assert _stored(database, by_orm.incidents[0].id) == by_driver


def _stored(database: Database, incident: str) -> list[str]:
    """Every row of an incident, whatever its id is."""
    with database.reading() as session:
        rows = [
            {column.key: getattr(row, column.key) for column in table.__table__.columns}
            for table in (IncidentRow, AlertRow, AttemptRow, WorkRow)
            for row in session.scalars(select(table).order_by(*table.__mapper__.primary_key))
        ]
    assert len(rows) == 5
    return [repr(row).replace(incident, "...") for row in rows]


def test_one_that_the_database_refuses_does_not_hurt_those_that_came_with_it(database: Database) -> None:
    good = opening.arrival(delivery(alert("good")), delivery(alert("good")).groups[0], START)
    bad = opening.arrival(delivery(alert("bad"), key="other"), delivery(alert("bad")).groups[0], START)
    bad.incident["open_key"] = "another"
    bad.alerts[0]["title"] = None
    assert arrivals.commit(database, [[good], [bad]]) == [[None], [None]], "each is looked at by itself then"
    assert arrivals.commit(database, [[good]]) == [[Accepted(good.incident["id"], Status.QUEUED, new=True)]]


def test_delivered_again_it_is_counted_and_the_rest_stays(database: Database) -> None:
    first = intake.accept(database, delivery(alert("a"), alert("b")), QUIET)
    again = Delivery("alertmanager", delivery(alert("a"), alert("b")).groups, callback_url="https://example.com/told")
    assert intake.accept(database, again, QUIET).incidents == (replace(first.incidents[0], new=False),)
    with database.reading() as session:
        row = session.get_one(IncidentRow, first.incidents[0].id)
        assert (row.revision, row.fire_count, row.callback_url) == (2, 1, "https://example.com/told")
        assert row.last_seen_at > row.received_at
        assert session.scalars(select(AlertRow.deliveries)).all() == [2, 2]


def test_a_connection_that_has_ended_is_made_again(postgres_url: str) -> None:
    database = Database(postgres_url)
    Base.metadata.create_all(database.engine)
    reception = intake.Reception(database, QUIET)
    reception.accept(delivery(alert("a")))
    with database.writing() as session:
        session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    assert reception.accept(delivery(alert("b"), key="other")).incidents[0].new
    database.close()
