"""One analysis for incidents that are plainly one trouble: an incident of a service whose dependency failed just before
waits for that one's diagnosis instead of asking the model itself (docs/decisions/0011-covering.md).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from sqlalchemy import and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from shared.alert import Severity
from shared.covering import Leader
from shared.database import Database
from shared.incident import Diagnosis, RelatedIncident, Status
from shared.moment import now
from shared.store.work import Claim, give_back, hold
from shared.tables import AttemptRow, IncidentRow, WorkRow
from shared.transaction import Transaction

LOOK_AGAIN: Final = timedelta(seconds=15)
"""A follower that nobody wakes looks by itself after so long."""

IN_A_MOMENT: Final = timedelta(seconds=1)

LONGEST_WAIT: Final = timedelta(minutes=3)
"""Then a follower is analysed by itself, whatever has become of the other."""


class Awaited(Exception):
    """It is too early to tell: the work was given back, and is taken up again when the other analysis is done, or
    after the pause.
    """

    def __init__(self, pause: timedelta) -> None:
        super().__init__()
        self.pause = pause


def leader(database: Database, claim: Claim, services: Collection[str], window: timedelta) -> Leader | None:
    """The analysis that covers this incident, if one does: of the first alert of one of `services`, at most `window`
    before, that was not over when this one came. None: this incident is analysed by itself. Raises Awaited, and Fenced.
    """
    if claim.attempt > 1 or not services:
        return None  # "Investigate again" asks for an analysis of its own
    with database.writing() as session:
        hold(Transaction.of(session), claim)
        try:
            return _leader(session, claim, services, window)
        except Awaited as awaited:
            give_back(Transaction.of(session), claim, awaited.pause, None, counts=False)
            reason = awaited
    raise reason


def _leader(session: Session, claim: Claim, services: Collection[str], window: timedelta) -> Leader | None:
    row = session.get_one(IncidentRow, claim.incident_id)
    own = session.get_one(AttemptRow, (row.id, claim.attempt))
    if row.open_key is None:
        return None  # asked for by hand
    chosen = row.covered_by or _candidate(session, row, services, window)
    if chosen is None:
        return None
    row, other = _locked(session, row.id, chosen)
    attempt = session.get_one(AttemptRow, (other.id, other.attempt), populate_existing=True)
    # A rival may have made either of them a leader or a follower before the lock was ours.
    free = other.covered_by is None and not session.scalar(select(exists().where(IncidentRow.covered_by == row.id)))
    patient = now() - (own.gathered_at or own.created_at) < LONGEST_WAIT
    found = _diagnosed(other, attempt) if free else None
    waits = free and patient and attempt.finished_at is None
    covered_by = other.id if found or waits else None
    if row.covered_by != covered_by:
        row.covered_by = covered_by
        row.revision += 1
        other.revision += 1
    if waits:
        raise Awaited(LOOK_AGAIN)
    return found


def split_off(session: Session, row: IncidentRow) -> None:
    """The incident is investigated by itself from now on, and the other's document says no longer that it covers it."""
    # Whoever holds the other one changes its document anyway; waiting for it could be a deadlock, as above.
    query = select(IncidentRow).where(IncidentRow.id == row.covered_by).with_for_update(skip_locked=True)
    other = session.scalar(query) if row.covered_by else None
    if other is not None:
        other.revision += 1
    row.covered_by = None


def awakened(transaction: Transaction, incident_id: str) -> tuple[str, ...]:
    """The work of those who wait for this incident's analysis."""
    return tuple(work_id for (work_id,) in transaction.rows(_AWAKENED, {"incident": incident_id}))


_AWAKENED: Final = (
    select(WorkRow.id)
    .join(IncidentRow, IncidentRow.id == WorkRow.incident_id)
    .where(IncidentRow.covered_by == bindparam("incident"))
    .where(WorkRow.kind == "diagnose", WorkRow.state == "pending")
)


def covering(session: Session, row: IncidentRow) -> RelatedIncident | None:
    """The incident whose analysis covers this one."""
    other = session.get(IncidentRow, row.covered_by) if row.covered_by else None
    return None if other is None else _related(other, "dependency")


def covered(session: Session, row: IncidentRow) -> tuple[RelatedIncident, ...]:
    """The incidents that this one's analysis covers, the first first."""
    query = select(IncidentRow).where(IncidentRow.covered_by == row.id).order_by(IncidentRow.received_at)
    return tuple(_related(other, "dependent") for other in session.scalars(query))


def _candidate(session: Session, row: IncidentRow, services: Collection[str], window: timedelta) -> str | None:
    severities = [each.value for each in Severity if each.rank <= Severity(row.severity).rank]
    earlier = or_(
        IncidentRow.received_at < row.received_at,
        and_(IncidentRow.received_at == row.received_at, IncidentRow.id < row.id),
    )
    query = (
        select(IncidentRow.id)
        .join(AttemptRow, and_(AttemptRow.incident_id == IncidentRow.id, AttemptRow.number == IncidentRow.attempt))
        .where(IncidentRow.service.in_(services), IncidentRow.service != row.service)
        .where(IncidentRow.received_at >= row.received_at - window, earlier)
        .where(IncidentRow.covered_by.is_(None), IncidentRow.severity.in_(severities))
        # One that waits for its turn would be waited for by those who have theirs.
        .where(AttemptRow.admitted_at.is_not(None))
        .where(or_(AttemptRow.finished_at.is_(None), AttemptRow.finished_at > row.received_at))
        .where(or_(AttemptRow.outcome.is_(None), AttemptRow.outcome == Status.DONE))
        .order_by(IncidentRow.received_at, IncidentRow.id)
        .limit(1)
    )
    return session.scalar(query)


def _locked(session: Session, mine: str, other: str) -> tuple[IncidentRow, IncidentRow]:
    """Both as they are now. Raises Awaited when somebody else is at one of them: waiting for each other's locks, a
    delivery that is about both and this would be a deadlock.
    """
    query = select(IncidentRow).where(IncidentRow.id.in_((mine, other))).with_for_update(skip_locked=True)
    rows = {row.id: row for row in session.scalars(query.execution_options(populate_existing=True))}
    if len(rows) < 2:
        raise Awaited(IN_A_MOMENT)
    return rows[mine], rows[other]


def _diagnosed(row: IncidentRow, attempt: AttemptRow) -> Leader | None:
    """What the model made of it; the brief in its place covers nobody."""
    if attempt.outcome != Status.DONE or not attempt.diagnosis:
        return None
    diagnosis = Diagnosis.model_validate(attempt.diagnosis)
    if diagnosis.produced_by.stage != "model":
        return None
    return Leader(row.id, row.service, row.title, row.received_at, diagnosis)


def _related(row: IncidentRow, relation: str) -> RelatedIncident:
    return RelatedIncident.model_validate(
        {"id": row.id, "service": row.service, "title": row.title, "status": row.status, "relation": relation}
    )
