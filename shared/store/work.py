"""Handing out work: rows that are claimed by a lease, renewed by a heartbeat, and found again when their holder died.

The row is the promise and the queue only says where to look, so a message may be lost, doubled or late. The owner of a
claim is its fencing token: whoever lost the lease can store nothing any more.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

from shared.database import Database, UtcDateTime
from shared.moment import CLOCK_TOLERANCE, now
from shared.tables import IN_HAND, IncidentRow, WorkRow
from shared.transaction import Change, Insertion, Transaction

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


def open_work(transaction: Transaction, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Adds pieces of work (`work_row`) unless they are there, and gives their ids."""
    transaction.together(opening(rows))
    return ids(rows)


def opening(rows: Sequence[dict[str, Any]]) -> Insertion:
    """As `open_work`, together with other changes."""
    return Insertion(WorkRow, rows, "kept")


def ids(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """The ids of pieces of work."""
    return tuple(str(row["id"]) for row in rows)


def work_id(incident_id: str, attempt: int, kind: str, subject: str = "") -> str:
    """The id of a piece of work: the same, made twice."""
    return ".".join(filter(None, (incident_id, str(attempt), kind, subject)))


@dataclass(frozen=True, slots=True)
class Turn:
    """What it depends on when work that waits is admitted (`shared.store.admission`), beside its age."""

    rank: int
    """Of its incident's severity: 0 the most urgent."""
    service: str


def work_row(
    incident_id: str, attempt: int, kind: str, subject: str = "", *, moment: datetime, turn: Turn | None = None
) -> dict[str, Any]:
    """The row of a new piece of work. With a `turn` it cannot be claimed before that has come."""
    return {
        "id": work_id(incident_id, attempt, kind, subject),
        "incident_id": incident_id,
        "attempt": attempt,
        "kind": kind,
        "subject": subject,
        "state": "waiting" if turn else "pending",
        "due_at": moment + UNPUBLISHED,
        "deadline_at": None,
        "owner": None,
        "tries": 0,
        "created_at": moment,
        **({"rank": turn.rank, "service": turn.service} if turn else {}),
    }


@dataclass(frozen=True, slots=True)
class GoingOn:
    """That whoever stores a stage does the next one too: its work is claimed where it is opened."""

    within: timedelta | None = None
    """The time after which others stop waiting for the result of a source."""


def next_rows(
    claim: Claim, kind: str, subjects: Sequence[str], moment: datetime, going_on: GoingOn | None
) -> list[dict[str, Any]]:
    """The rows of the next stage's work: to be published, or in the hands of whoever has the claim."""
    rows = [work_row(claim.incident_id, claim.attempt, kind, subject, moment=moment) for subject in subjects]
    if going_on is None:
        return rows
    held = {"state": "running", "owner": claim.owner, "due_at": moment + LEASE, "tries": 1}
    deadline = moment + going_on.within if going_on.within else None
    return [{**row, **held, "deadline_at": deadline} for row in rows]


def next_claim(claim: Claim, work_id: str) -> Claim:
    """The claim on work of the next stage that was opened by whoever goes on with it."""
    kind, _, subject = work_id.split(".", 2)[2].partition(".")
    return replace(claim, work_id=work_id, kind=kind, subject=subject, tries=1, lapses=0)


def claim(database: Database, work_id: str, within: timedelta | None = None) -> Claim | None:
    """The claim on a piece of work, or None when it is done, cancelled, or in somebody else's hands.

    `within` is the time after which others stop waiting for the result.
    """
    return next(iter(claim_all(database, [work_id], within)), None)


def claim_all(database: Database, work_ids: Sequence[str], within: timedelta | None = None) -> list[Claim]:
    """The claims on those of some pieces of work that can be had, in one transaction; `within` as for `claim`."""
    owner, moment = secrets.token_hex(8), now()
    with database.transaction() as transaction:
        # In one order, so that no two can wait for each other.
        taken = [take(transaction, work_id, owner, moment, within) for work_id in sorted(work_ids)]
    return [claim for claim in taken if claim is not None]


def take(
    transaction: Transaction, work_id: str, owner: str, moment: datetime, within: timedelta | None = None
) -> Claim | None:
    """`claim` inside a transaction, for `owner`: a token that nobody else has."""
    values = {
        "work_id": work_id,
        **bounds(moment),
        "claimer": owner,
        "lease": moment + LEASE,
        "deadline": moment + within if within else None,
    }
    found = transaction.row(_TAKE, values)
    if found is None:
        return None
    incident_id, attempt, kind, subject, tries, lapses = found
    return Claim(work_id, incident_id, attempt, kind, subject, owner, tries, lapses)


def complete(
    transaction: Transaction, claim: Claim, error: str | None = None, state: Literal["done", "cancelled"] = "done"
) -> None:
    """Marks the work done, inside the transaction that stores its result; or cancelled, when it became pointless.
    Raises Fenced when the lease was lost.
    """
    transaction.together(completion(claim, error, state))


def completion(claim: Claim, error: str | None = None, state: Literal["done", "cancelled"] = "done") -> Change:
    """As `complete`, together with other changes."""
    values = {"work_id": claim.work_id, "holder": claim.owner, "moment": now(), "reason": error, "end": state}
    return Change(_DONE, values, otherwise=Fenced(claim.work_id))


def hold(transaction: Transaction, claim: Claim) -> None:
    """Keeps the claim in force until the end of the transaction. Raises Fenced when the lease was lost."""
    transaction.together(possession(claim))


def possession(claim: Claim) -> Change:
    """As `hold`, together with other changes."""
    return Change(_HELD, {"work_id": claim.work_id, "holder": claim.owner}, otherwise=Fenced(claim.work_id))


def hand_back(database: Database, claim: Claim, delay: timedelta, error: str | None, counts: bool = True) -> None:
    """Gives the work up, in a transaction of its own: see `give_back`."""
    with database.transaction() as transaction:
        give_back(transaction, claim, delay, error, counts)


def give_back(transaction: Transaction, claim: Claim, delay: timedelta, error: str | None, counts: bool = True) -> None:
    """Gives the work up, to be taken up again after `delay`. `counts` is False when nothing was wrong with the work
    itself (a stop in the middle), so that the try is not held against it.
    """
    values = {
        "work_id": claim.work_id,
        "holder": claim.owner,
        "due": now() + delay,
        "reason": error,
        "untried": 0 if counts else 1,
    }
    if transaction.count(_BACK, values) and claim.kind == "deliver":  # the incident tells of its pushes
        transaction.count(SEEN, {"incident": claim.incident_id})


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
        due = select(WorkRow).where(IN_HAND, _due(*bounds(moment).values()))
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
        late = select(WorkRow).where(IN_HAND, WorkRow.deadline_at < moment)
        overdue = [_take_over(session, row) for row in session.scalars(late.limit(SWEEP))]
    return Stranded(tuple(publish), tuple(filter(None, overdue)))


def _due(moment: Any, far: Any, farthest: Any) -> ColumnElement[bool]:
    """Whether the time of a row has passed, or lies so far ahead that the clock was set back since it was written."""
    pause = and_(_WORK.c.kind == "deliver", _WORK.c.state == "pending")
    return or_(_WORK.c.due_at < moment, and_(not_(pause), _WORK.c.due_at > far), _WORK.c.due_at > farthest)


def bounds(moment: datetime) -> dict[str, datetime]:
    """What `CLAIMABLE` compares with at that moment."""
    return {
        "moment": moment,
        "far": moment + CLOCK_TOLERANCE,
        "farthest": moment + LONGEST_PAUSE + CLOCK_TOLERANCE,
    }


# Built once: SQLAlchemy takes longer to build a statement than to run it.
_AT: Final = {
    name: bindparam(name, type_=UtcDateTime) for name in ("moment", "far", "farthest", "lease", "deadline", "due")
}
_LAPSED: Final = and_(_WORK.c.state == "running", _due(_AT["moment"], _AT["far"], _AT["farthest"]))
CLAIMABLE: Final = and_(_WORK.c.id == bindparam("work_id"), or_(_WORK.c.state == "pending", _LAPSED))
"""Whether a piece of work can be had, with `bounds`."""
_TAKE: Final = (
    update(_WORK)
    .where(CLAIMABLE)
    .values(
        state="running",
        owner=bindparam("claimer"),
        due_at=_AT["lease"],
        deadline_at=_AT["deadline"],
        tries=_WORK.c.tries + case((_LAPSED, 0), else_=1),
        lapses=_WORK.c.lapses + case((_LAPSED, 1), else_=0),
    )
    .returning(
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
_BACK: Final = (
    update(_WORK)
    .where(_MINE)
    .values(
        state="pending",
        owner=None,
        due_at=_AT["due"],
        error=bindparam("reason"),
        tries=_WORK.c.tries - bindparam("untried"),
    )
)
_INCIDENTS: Final = cast("Table", IncidentRow.__table__)
SEEN: Final = (
    update(_INCIDENTS).where(_INCIDENTS.c.id == bindparam("incident")).values(revision=_INCIDENTS.c.revision + 1)
)
"""What an incident shows has changed."""


def _take_over(session: Session, row: WorkRow) -> Claim | None:
    owner = secrets.token_hex(8)
    if not _count(session, _still(row).values(state="running", owner=owner, due_at=now() + LEASE)):
        return None
    return Claim(row.id, row.incident_id, row.attempt, row.kind, row.subject, owner, row.tries, row.lapses)


def _still(row: WorkRow) -> Update:
    return update(WorkRow).where(WorkRow.id == row.id, WorkRow.state == row.state, WorkRow.due_at == row.due_at)


def _count(session: Session, statement: Update) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
