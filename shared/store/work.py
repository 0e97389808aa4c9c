"""Handing out work: rows that are claimed by a lease, renewed by a heartbeat, and found again when their holder died.

The row is the promise and the queue only says where to look, so a message may be lost, doubled or late. The owner of a
claim is its fencing token: whoever lost the lease can store nothing any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import ColumnElement, CursorResult, Update, and_, case, not_, or_, select, update
from sqlalchemy.orm import Session

from shared.database import Database, insert_unless_there
from shared.moment import CLOCK_TOLERANCE, now
from shared.tables import IncidentRow, WorkRow

LEASE: Final = timedelta(seconds=30)
"""How long a claim holds without a heartbeat."""

HEARTBEAT_SECONDS: Final = 8.0
"""Three heartbeats may be missed before a lease runs out."""

UNPUBLISHED: Final = timedelta(seconds=10)
"""How long new work may wait for its message before it is published again."""

REPUBLISH: Final = timedelta(seconds=30)
"""How long published work may wait in the queue before it is published once more; doubled messages are harmless."""

SWEEP: Final = 500
"""Rows that one sweep takes up: the next sweep comes in seconds."""


LONGEST_PAUSE: Final = timedelta(hours=10)
"""No work waits longer for its next try: a push waits longest."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to do a piece of work, for as long as the lease holds."""

    work_id: str
    incident_id: str
    attempt: int
    kind: str
    subject: str
    owner: str
    tries: int
    """How often it was tried, this time included; without the times that were not its fault."""
    lapses: int
    """How often its lease ran out: because its worker died, or hung, or was cut off from the database."""


class Fenced(Exception):
    """The lease was lost and somebody else may have done the work: what was found must be thrown away."""


def new_work(
    session: Session,
    incident_id: str,
    attempt: int,
    kind: str,
    subject: str = "",
    *,
    moment: datetime,
    waits: bool = False,
) -> str:
    """Adds a piece of work unless it is there, and gives its id. What `waits` cannot be claimed before it is admitted
    (`shared.store.admission`).
    """
    work_id = ".".join(filter(None, (incident_id, str(attempt), kind, subject)))
    values = {
        "id": work_id,
        "incident_id": incident_id,
        "attempt": attempt,
        "kind": kind,
        "subject": subject,
        "state": "waiting" if waits else "pending",
        "due_at": moment + UNPUBLISHED,
        "tries": 0,
        "created_at": moment,
    }
    insert_unless_there(session, WorkRow, values)
    return work_id


def claim(database: Database, work_id: str, within: timedelta | None = None) -> Claim | None:
    """The claim on a piece of work, or None when it is done, cancelled, or in somebody else's hands.

    `within` is the time after which others stop waiting for the result.
    """
    return next(iter(claim_all(database, [work_id], within)), None)


def claim_all(database: Database, work_ids: Sequence[str], within: timedelta | None = None) -> list[Claim]:
    """The claims on those of some pieces of work that can be had, in one transaction; `within` as for `claim`."""
    moment = now()
    owner = secrets.token_hex(8)
    lapsed = and_(WorkRow.state == "running", _due(moment))
    take = (
        update(WorkRow)
        .where(WorkRow.id.in_(work_ids), or_(WorkRow.state == "pending", lapsed))
        .values(
            state="running",
            owner=owner,
            due_at=moment + LEASE,
            deadline_at=moment + within if within else None,
            tries=WorkRow.tries + case((lapsed, 0), else_=1),
            lapses=WorkRow.lapses + case((lapsed, 1), else_=0),
        )
        .returning(
            WorkRow.id,
            WorkRow.incident_id,
            WorkRow.attempt,
            WorkRow.kind,
            WorkRow.subject,
            WorkRow.tries,
            WorkRow.lapses,
        )
    )
    with database.writing() as session:
        taken = session.execute(take).all()
    return [
        Claim(work_id, incident_id, attempt, kind, subject, owner, tries, lapses)
        for work_id, incident_id, attempt, kind, subject, tries, lapses in taken
    ]


def complete(
    session: Session, claim: Claim, error: str | None = None, state: Literal["done", "cancelled"] = "done"
) -> None:
    """Marks the work done, inside the transaction that stores its result; or cancelled, when it became pointless.
    Raises Fenced when the lease was lost.
    """
    done = (
        update(WorkRow)
        .where(WorkRow.id == claim.work_id, WorkRow.state == "running", WorkRow.owner == claim.owner)
        .values(state=state, owner=None, error=error, finished_at=now())
    )
    if _count(session, done) == 0:
        raise Fenced(claim.work_id)


def hold(session: Session, claim: Claim) -> None:
    """Keeps the claim in force until the end of the transaction. Raises Fenced when the lease was lost."""
    held = select(WorkRow.id).where(
        WorkRow.id == claim.work_id, WorkRow.state == "running", WorkRow.owner == claim.owner
    )
    if session.scalar(held.with_for_update()) is None:
        raise Fenced(claim.work_id)


def hand_back(database: Database, claim: Claim, delay: timedelta, error: str | None, counts: bool = True) -> None:
    """Gives the work up, in a transaction of its own: see `give_back`."""
    with database.writing() as session:
        give_back(session, claim, delay, error, counts)


def give_back(session: Session, claim: Claim, delay: timedelta, error: str | None, counts: bool = True) -> None:
    """Gives the work up, to be taken up again after `delay`. `counts` is False when nothing was wrong with the work
    itself (a stop in the middle), so that the try is not held against it.
    """
    back = (
        update(WorkRow)
        .where(WorkRow.id == claim.work_id, WorkRow.state == "running", WorkRow.owner == claim.owner)
        .values(
            state="pending",
            owner=None,
            due_at=now() + delay,
            error=error,
            tries=WorkRow.tries if counts else WorkRow.tries - 1,
        )
    )
    if _count(session, back) and claim.kind == "deliver":  # the incident tells of its pushes
        seen = update(IncidentRow).where(IncidentRow.id == claim.incident_id)
        session.execute(seen.values(revision=IncidentRow.revision + 1))


def renew(database: Database, claims: Sequence[Claim]) -> None:
    """The heartbeat: the leases of `claims` hold for another LEASE."""
    with database.writing() as session:
        for held in claims:
            session.execute(
                update(WorkRow)
                .where(WorkRow.id == held.work_id, WorkRow.owner == held.owner, WorkRow.state == "running")
                .values(due_at=now() + LEASE)
            )


@dataclass(frozen=True, slots=True)
class Stranded:
    """What a sweep found."""

    publish: tuple[str, ...]
    """Work to tell the workers about once more."""
    overdue: tuple[Claim, ...]
    """Work whose deadline has passed, claimed for the sweeper so that it can be closed: nobody waits for its result any
    longer.
    """


def sweep(database: Database) -> Stranded:
    """Finds what fell by the wayside. Many may sweep at once: every row is taken by compare-and-set.

    A lease that ran out is no try of the work: whoever held it may have died of something else.
    """
    moment = now()
    with database.writing() as session:
        due = select(WorkRow).where(WorkRow.state.in_(("pending", "running")), _due(moment))
        publish = []
        for row in session.scalars(due.order_by(WorkRow.due_at).limit(SWEEP)):
            lapsed = row.state == "running"
            again = _still(row).values(
                state="pending",
                owner=None,
                due_at=moment + REPUBLISH,
                tries=row.tries - lapsed,
                lapses=row.lapses + lapsed,
            )
            if _count(session, again):
                publish.append(row.id)
        late = select(WorkRow).where(WorkRow.state.in_(("pending", "running")), WorkRow.deadline_at < moment)
        overdue = [_take_over(session, row) for row in session.scalars(late.limit(SWEEP))]
    return Stranded(tuple(publish), tuple(filter(None, overdue)))


def _due(moment: datetime) -> ColumnElement[bool]:
    """Whether the time of a row has passed, or lies so far ahead that the clock was set back since it was written."""
    pause = and_(WorkRow.kind == "deliver", WorkRow.state == "pending")
    return or_(
        WorkRow.due_at < moment,
        and_(not_(pause), WorkRow.due_at > moment + CLOCK_TOLERANCE),
        WorkRow.due_at > moment + LONGEST_PAUSE + CLOCK_TOLERANCE,
    )


def _take_over(session: Session, row: WorkRow) -> Claim | None:
    owner = secrets.token_hex(8)
    if not _count(session, _still(row).values(state="running", owner=owner, due_at=now() + LEASE)):
        return None
    return Claim(row.id, row.incident_id, row.attempt, row.kind, row.subject, owner, row.tries, row.lapses)


def _still(row: WorkRow) -> Update:
    return update(WorkRow).where(WorkRow.id == row.id, WorkRow.state == row.state, WorkRow.due_at == row.due_at)


def _count(session: Session, statement: Update) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
