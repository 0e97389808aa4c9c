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

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Table,
    Update,
    and_,
    bindparam,
    case,
    not_,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from shared.database import Database, UtcDateTime, insert_unless_there
from shared.moment import CLOCK_TOLERANCE, now
from shared.tables import IncidentRow, WorkRow

_WORK: Final = cast("Table", WorkRow.__table__)

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
    row = work_row(incident_id, attempt, kind, subject, moment=moment, waits=waits)
    insert_unless_there(session, WorkRow, row)
    return str(row["id"])


def work_id(incident_id: str, attempt: int, kind: str, subject: str = "") -> str:
    """The id of a piece of work: the same, made twice."""
    return ".".join(filter(None, (incident_id, str(attempt), kind, subject)))


def work_row(
    incident_id: str, attempt: int, kind: str, subject: str = "", *, moment: datetime, waits: bool = False
) -> dict[str, Any]:
    """The row of a new piece of work."""
    return {
        "id": work_id(incident_id, attempt, kind, subject),
        "incident_id": incident_id,
        "attempt": attempt,
        "kind": kind,
        "subject": subject,
        "state": "waiting" if waits else "pending",
        "due_at": moment + UNPUBLISHED,
        "tries": 0,
        "created_at": moment,
    }


def claim(database: Database, work_id: str, within: timedelta | None = None) -> Claim | None:
    """The claim on a piece of work, or None when it is done, cancelled, or in somebody else's hands.

    `within` is the time after which others stop waiting for the result.
    """
    return next(iter(claim_all(database, [work_id], within)), None)


def claim_all(database: Database, work_ids: Sequence[str], within: timedelta | None = None) -> list[Claim]:
    """The claims on those of some pieces of work that can be had, in one transaction; `within` as for `claim`."""
    moment = now()
    owner = secrets.token_hex(8)
    values = {
        "ids": list(work_ids),
        **dict(zip(("moment", "far", "farthest"), _bounds(moment), strict=True)),
        "claimer": owner,
        "lease": moment + LEASE,
        "deadline": moment + within if within else None,
    }
    with database.writing() as session:
        taken = session.execute(_TAKE, values).all()
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
    values = {"work_id": claim.work_id, "holder": claim.owner, "moment": now(), "reason": error, "end": state}
    if _count(session, _DONE, values) == 0:
        raise Fenced(claim.work_id)


def hold(session: Session, claim: Claim) -> None:
    """Keeps the claim in force until the end of the transaction. Raises Fenced when the lease was lost."""
    if session.scalar(_HELD, {"work_id": claim.work_id, "holder": claim.owner}) is None:
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
        session.execute(
            update(_WORK)
            .where(tuple_(_WORK.c.id, _WORK.c.owner).in_([(held.work_id, held.owner) for held in claims]))
            .where(_WORK.c.state == "running")
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
        due = select(WorkRow).where(WorkRow.state.in_(("pending", "running")), _due(*_bounds(moment)))
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


def _due(moment: Any, far: Any, farthest: Any) -> ColumnElement[bool]:
    """Whether the time of a row has passed, or lies so far ahead that the clock was set back since it was written."""
    pause = and_(_WORK.c.kind == "deliver", _WORK.c.state == "pending")
    return or_(_WORK.c.due_at < moment, and_(not_(pause), _WORK.c.due_at > far), _WORK.c.due_at > farthest)


def _bounds(moment: datetime) -> tuple[datetime, datetime, datetime]:
    """What `_due` compares with at that moment."""
    return moment, moment + CLOCK_TOLERANCE, moment + LONGEST_PAUSE + CLOCK_TOLERANCE


# Built once: SQLAlchemy takes longer to build a statement than to run it.
_AT: Final = {name: bindparam(name, type_=UtcDateTime) for name in ("moment", "far", "farthest", "lease", "deadline")}
_LAPSED: Final = and_(_WORK.c.state == "running", _due(_AT["moment"], _AT["far"], _AT["farthest"]))
_TAKE: Final = (
    update(_WORK)
    .where(_WORK.c.id.in_(bindparam("ids", expanding=True)), or_(_WORK.c.state == "pending", _LAPSED))
    .values(
        state="running",
        owner=bindparam("claimer"),
        due_at=_AT["lease"],
        deadline_at=_AT["deadline"],
        tries=_WORK.c.tries + case((_LAPSED, 0), else_=1),
        lapses=_WORK.c.lapses + case((_LAPSED, 1), else_=0),
    )
    .returning(
        _WORK.c.id,
        _WORK.c.incident_id,
        _WORK.c.attempt,
        _WORK.c.kind,
        _WORK.c.subject,
        _WORK.c.tries,
        _WORK.c.lapses,
    )
)
_MINE: Final = and_(
    _WORK.c.id == bindparam("work_id"), _WORK.c.state == "running", _WORK.c.owner == bindparam("holder")
)
_DONE: Final = (
    update(_WORK)
    .where(_MINE)
    .values(state=bindparam("end"), owner=None, error=bindparam("reason"), finished_at=_AT["moment"])
)
_HELD: Final = select(_WORK.c.id).where(_MINE).with_for_update()


def _take_over(session: Session, row: WorkRow) -> Claim | None:
    owner = secrets.token_hex(8)
    if not _count(session, _still(row).values(state="running", owner=owner, due_at=now() + LEASE)):
        return None
    return Claim(row.id, row.incident_id, row.attempt, row.kind, row.subject, owner, row.tries, row.lapses)


def _still(row: WorkRow) -> Update:
    return update(WorkRow).where(WorkRow.id == row.id, WorkRow.state == row.state, WorkRow.due_at == row.due_at)


def _count(session: Session, statement: Update, values: dict[str, Any] | None = None) -> int:
    return cast("CursorResult[Any]", session.execute(statement, values)).rowcount
