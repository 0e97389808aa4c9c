"""Taking alerts in: one transaction that leaves the incident, its alerts and the work to be done, or nothing at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shared.alert import Alert, AlertGroup, Delivery, Severity
from shared.database import Database, insert_unless_there
from shared.group_commit import GroupCommit
from shared.incident import BroughtContext, Status
from shared.known_services import remember
from shared.moment import now
from shared.store import arrivals, covering, opening, pushes
from shared.store.arrivals import Accepted, Arrival
from shared.store.opening import arrival
from shared.store.work import Turn, open_work, work_id, work_row
from shared.tables import WAITS, AlertRow, AttemptRow, IdempotencyRow, IncidentRow, WorkRow
from shared.transaction import Transaction

FORGOTTEN: Final = timedelta(hours=24)
"""An incident that nobody resolved and nothing fired for so long is over: many senders never say "resolved"."""

BY_HAND: Final = ("analyze", "api")
"""The senders of what nobody's alerting sent: analyses that somebody asked for, without and with the context."""


@dataclass(frozen=True, slots=True)
class ManualRequest:
    """An analysis that somebody asks for by hand."""

    service: str
    title: str
    severity: Severity = Severity.UNKNOWN
    started_at: datetime | None = None
    entity_ref: str | None = None
    errors: str | None = None
    callback_url: str | None = None
    brought: BroughtContext | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's key, and what it was sent with."""

    route: str
    key: str
    body: bytes


class IdempotencyConflict(Exception):
    """The key was used before with another body."""


MOST_AGAIN: Final = 1_000
"""Failed incidents that one request investigates again."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What was committed."""

    incidents: tuple[Accepted, ...] = ()
    work: tuple[str, ...] = ()
    """Ids of work to publish now; what is not published is found by the reconciler."""


class Reception:
    """Takes deliveries in. Safe to share between threads: those that come at the same moment are committed together."""

    def __init__(self, database: Database, quiet: timedelta) -> None:
        """A firing joins its group's open incident, also a resolved one that was last seen less than `quiet` ago."""
        self._database = database
        self.quiet = quiet
        self._together: GroupCommit[Sequence[Arrival], list[Accepted | None]] = GroupCommit(
            lambda deliveries: arrivals.commit(database, deliveries)
        )

    def accept(self, delivery: Delivery) -> Intake:
        """Commits a delivery. Raises sqlalchemy.exc.SQLAlchemyError when not all of it could be committed; delivered
        again, what was is found.
        """
        moment = now()
        groups = sorted(delivery.groups, key=lambda group: (group.key, group.service))
        firing = [group for group in groups if group.alerts and all(each.firing for each in group.alerts)]
        arrived = [arrival(delivery, group, moment) for group in firing]
        known = self._together.submit(arrived) if arrived else []
        taken = {id(group): _as_intake(one) for group, one in zip(firing, known, strict=True) if one is not None}
        left = [group for group in groups if id(group) not in taken]
        if left:
            more = _taken(self._database, replace(delivery, groups=tuple(left)), self.quiet)
            taken |= {id(group): one for group, one in zip(left, more, strict=True)}
        return _together(taken[id(group)] for group in groups)


def accept(database: Database, delivery: Delivery, quiet: timedelta) -> Intake:
    """Commits one delivery, as Reception does."""
    return Reception(database, quiet).accept(delivery)


def open_manual(database: Database, request: ManualRequest, key: IdempotencyKey | None = None) -> Intake:
    """Commits a manual analysis, a new incident or the one that `key` made before. Raises IdempotencyConflict."""
    with database.writing() as session:
        if key and (used := _used(session, key)):
            return used
        moment = now()
        row = _new_incident(
            session,
            moment,
            sender=BY_HAND[request.brought is not None],
            service=request.service,
            entity_ref=request.entity_ref,
            title=request.title,
            severity=request.severity,
            started_at=opening.believable(request.started_at, moment),
            callback_url=request.callback_url,
            brought=request.brought.wire() if request.brought else None,
        )
        session.add(_manual_alert(row, request, moment))
        intake = Intake((Accepted(row.id, Status.QUEUED, new=True),), (_start_attempt(session, row, moment),))
        if key is None or insert_unless_there(session, IdempotencyRow, _key_values(key, row.id, moment)):
            return intake
        session.rollback()
    # Another request with the same key was committed meanwhile: its incident is the answer.
    with database.reading() as session:
        return _used(session, key) or Intake()


def investigate_again(database: Database, incident_id: str, only_failed: bool = False) -> Intake | None:
    """Asks for another attempt, unless one is under way. None when there is no such incident, or it did not fail and
    `only_failed` is asked for.
    """
    with database.writing() as session:
        row = session.get(IncidentRow, incident_id, with_for_update=True)
        if row is None or (only_failed and row.status != Status.FAILED):
            return None
        remember(row.id, row.service)
        if not Status(row.status).finished:
            return Intake((Accepted(row.id, Status(row.status), new=False),))
        return Intake((Accepted(row.id, Status.QUEUED, new=False),), (_next_attempt(session, row, now()),))


def failed_again(database: Database, since: datetime, service: str | None = None) -> Intake:
    """Asks for another attempt of every incident that was received since then and failed, the oldest first; at most
    MOST_AGAIN at once.
    """
    failed = select(IncidentRow.id).where(IncidentRow.status == Status.FAILED, IncidentRow.received_at >= since)
    if service is not None:
        failed = failed.where(IncidentRow.service == service)
    with database.reading() as session:
        found = session.scalars(failed.order_by(IncidentRow.received_at).limit(MOST_AGAIN)).all()
    taken = [again for incident_id in found if (again := investigate_again(database, incident_id)) is not None]
    return _together(taken)


def _together(taken: Iterable[Intake]) -> Intake:
    parts = tuple(taken)
    return Intake(
        tuple(one for each in parts for one in each.incidents), tuple(work for each in parts for work in each.work)
    )


def _as_intake(accepted: Accepted) -> Intake:
    return Intake((accepted,), (work_id(accepted.id, 1, "investigate"),) if accepted.new else ())


def _taken(database: Database, delivery: Delivery, quiet: timedelta) -> list[Intake]:
    """What each group of a delivery is, in the order of the groups: one order, so that two deliveries of the same
    groups cannot wait for each other.
    """
    for last_try in (False, False, True):
        try:
            with database.writing() as session:
                return [_Group(session, delivery, group, now(), quiet).take() for group in delivery.groups]
        except IntegrityError:
            # The same alert came in another group at the same moment: the next look finds its row.
            if last_try:
                raise
    raise AssertionError("the last try returns or raises")


class _Group:
    """One alert group of one delivery, inside the delivery's transaction."""

    def __init__(
        self, session: Session, delivery: Delivery, group: AlertGroup, moment: datetime, quiet: timedelta
    ) -> None:
        self.session = session
        self.delivery = delivery
        self.group = group
        self.moment = moment
        self.quiet = quiet
        self.open_key = opening.open_key(delivery, group)
        self.alerts = opening.identified(delivery, group, moment)

    def take(self) -> Intake:
        """Commits nothing yet: the caller's transaction does."""
        row = self._open_incident()  # locks it, so that what is read next stays true
        known = self._known_alerts()
        firing = {identity: alert for identity, alert in self.alerts.items() if alert.firing}
        fresh = {identity: alert for identity, alert in firing.items() if identity not in known}
        if row is not None and fresh and self._over(row):
            row.open_key = None
            self.session.flush()
            return self._open_new(fresh, previous=row)
        if row is None and fresh:
            return self._open_new(fresh, previous=None)
        if row is None:
            row = self._resolved_elsewhere()
        if row is None:
            return self._repeated(known)
        return self._join(row, known, fresh)

    def _open_new(self, fresh: dict[str, Alert], previous: IncidentRow | None) -> Intake:
        alerts = list(fresh.values())
        row = _new_incident(
            self.session,
            self.moment,
            **opening.told(self.delivery, self.group, alerts, self.moment),
            previous_id=previous.id if previous else None,
        )
        if row is None:  # another delivery opened it between our look and our insert
            return self.take()
        self._add_alerts(row, fresh)
        return Intake((Accepted(row.id, Status.QUEUED, new=True),), (_start_attempt(self.session, row, self.moment),))

    def _join(self, row: IncidentRow, known: dict[str, AlertRow], fresh: dict[str, Alert]) -> Intake:
        self._count_delivery(known)
        self._add_alerts(row, fresh)
        resolved = [alert for alert in self.alerts.values() if not alert.firing]
        self._mark_resolved(row, resolved)
        row.last_seen_at = self.moment
        row.truncated_alerts = self.group.truncated
        row.callback_url = row.callback_url or self.delivery.callback_url
        row.revision += 1
        work: tuple[str, ...] = ()
        if fresh:
            again = row.resolved_at is not None
            row.fire_count += 1
            row.resolved_at = None
            if again:
                work = pushes.open_updates(self.session, row, self.moment)
            worst = min((alert.severity for alert in fresh.values()), key=lambda severity: severity.rank)
            if worst.rank < Severity(row.severity).rank:
                row.severity = worst
                _hasten(self.session, row)
            if row.status == Status.CANCELLED:
                work += (_next_attempt(self.session, row, self.moment),)
        elif resolved:
            work = self._resolve_when_quiet(row, resolved)
        return Intake((Accepted(row.id, Status(row.status), new=False),), work)

    def _repeated(self, known: dict[str, AlertRow]) -> Intake:
        """A delivery that was taken in before, of an incident that is over; or a resolved alert never seen firing."""
        self._count_delivery(known)
        rows = self.session.scalars(
            select(IncidentRow).where(IncidentRow.id.in_({seen.incident_id for seen in known.values()}))
        )
        return Intake(tuple(Accepted(row.id, Status(row.status), new=False) for row in rows))

    def _known_alerts(self) -> dict[str, AlertRow]:
        rows = self.session.scalars(select(AlertRow).where(AlertRow.identity.in_(list(self.alerts))))
        return {row.identity: row for row in rows}

    def _count_delivery(self, known: dict[str, AlertRow]) -> None:
        again = update(AlertRow).where(AlertRow.identity.in_(list(known)))
        self.session.execute(again.values(deliveries=AlertRow.deliveries + 1, last_received_at=self.moment))

    def _open_incident(self) -> IncidentRow | None:
        query = select(IncidentRow).where(IncidentRow.open_key == self.open_key).with_for_update()
        return self.session.scalars(query).one_or_none()

    def _resolved_elsewhere(self) -> IncidentRow | None:
        """The open incident of a resolved alert that names its service no longer, as Grafana's legacy `ok`."""
        resolved = {alert.fingerprint for alert in self.alerts.values() if not alert.firing}
        query = (
            select(IncidentRow)
            .join(AlertRow, AlertRow.incident_id == IncidentRow.id)
            .where(IncidentRow.sender == self.delivery.sender, IncidentRow.open_key.is_not(None))
            .where(AlertRow.fingerprint.in_(resolved), AlertRow.firing.is_(True))
            .order_by(IncidentRow.received_at.desc())
            .limit(1)
            .with_for_update(of=IncidentRow)
        )
        return self.session.scalars(query).one_or_none()

    def _over(self, row: IncidentRow) -> bool:
        return row.last_seen_at < self.moment - (self.quiet if row.resolved_at else FORGOTTEN)

    def _add_alerts(self, row: IncidentRow, alerts: dict[str, Alert]) -> None:
        for identity, alert in alerts.items():
            self.session.add(AlertRow(**opening.alert_row(row.id, identity, alert, self.moment)))
        self.session.flush()

    def _mark_resolved(self, row: IncidentRow, resolved: list[Alert]) -> None:
        ended = {alert.fingerprint: alert.ends_at or self.moment for alert in resolved}
        query = select(AlertRow).where(AlertRow.incident_id == row.id, AlertRow.fingerprint.in_(list(ended)))
        for seen in self.session.scalars(query):
            # An answer that was overtaken by a later firing of the same alert resolves nothing.
            if seen.firing and not (seen.starts_at and seen.starts_at > ended[seen.fingerprint]):
                seen.firing = False
                seen.ends_at = ended[seen.fingerprint]

    def _resolve_when_quiet(self, row: IncidentRow, resolved: list[Alert]) -> tuple[str, ...]:
        self.session.flush()
        still = select(AlertRow.identity).where(AlertRow.incident_id == row.id, AlertRow.firing.is_(True)).limit(1)
        if row.resolved_at is not None or self.session.scalars(still).first() is not None:
            return ()
        row.resolved_at = max((alert.ends_at or self.moment for alert in resolved), default=self.moment)
        if row.status == Status.QUEUED:
            _cancel(self.session, row, self.moment)
        return pushes.open_updates(self.session, row, self.moment)


def _hasten(session: Session, row: IncidentRow) -> None:
    """It has become more urgent: if it waits, its turn comes sooner."""
    waits = update(WorkRow).where(WorkRow.incident_id == row.id, WAITS)
    session.execute(waits.values(rank=Severity(row.severity).rank))


def _cancel(session: Session, row: IncidentRow, moment: datetime) -> None:
    """Work that has not begun on a trouble that is over is pointless."""
    pending = update(WorkRow).where(
        WorkRow.incident_id == row.id, WorkRow.attempt == row.attempt, WorkRow.state.in_(("waiting", "pending"))
    )
    cancelled = session.execute(pending.values(state="cancelled", finished_at=moment).returning(WorkRow.id)).all()
    if not cancelled:
        return
    row.status = Status.CANCELLED
    row.finished_at = moment
    row.detail = "resolved before the investigation began"
    attempt = session.get_one(AttemptRow, (row.id, row.attempt))
    attempt.finished_at = moment
    attempt.outcome = Status.CANCELLED


def _start_attempt(session: Session, row: IncidentRow, moment: datetime) -> str:
    session.add(AttemptRow(incident_id=row.id, number=row.attempt, created_at=moment, service=row.service))
    turn = Turn(Severity(row.severity).rank, row.service)
    opened = work_row(row.id, row.attempt, "investigate", moment=moment, turn=turn)
    (work_id,) = open_work(Transaction.of(session), [opened])
    return work_id


def _next_attempt(session: Session, row: IncidentRow, moment: datetime) -> str:
    row.attempt += 1
    row.status = Status.QUEUED
    row.finished_at = None
    row.detail = None
    row.closest = []
    covering.split_off(session, row)
    row.revision += 1
    session.flush()
    return _start_attempt(session, row, moment)


def _new_incident(session: Session, moment: datetime, **values: Any) -> Any:
    """The new row, or None when its open_key is taken."""
    row = opening.incident_row(moment, **values)
    if not insert_unless_there(session, IncidentRow, row):
        return None
    return session.get_one(IncidentRow, row["id"])


def _manual_alert(row: IncidentRow, request: ManualRequest, moment: datetime) -> AlertRow:
    alert = Alert(
        fingerprint=row.id,
        firing=True,
        title=request.title,
        service=request.service,
        severity=request.severity,
        starts_at=request.started_at,
        errors=request.errors,
    )
    return AlertRow(**opening.alert_row(row.id, opening.digest(row.id), alert, moment))


def _used(session: Session, key: IdempotencyKey) -> Intake | None:
    row = session.get(IdempotencyRow, opening.digest(key.route, key.key))
    if row is None:
        return None
    if row.body_digest != hashlib.sha256(key.body).hexdigest():
        raise IdempotencyConflict
    incident = session.get_one(IncidentRow, row.incident_id)
    return Intake((Accepted(incident.id, Status(incident.status), new=False),))


def _key_values(key: IdempotencyKey, incident_id: str, moment: datetime) -> dict[str, Any]:
    return {
        "key": opening.digest(key.route, key.key),
        "body_digest": hashlib.sha256(key.body).hexdigest(),
        "incident_id": incident_id,
        "created_at": moment,
    }
