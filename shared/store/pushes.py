"""The outbox: a row of work for every result and everyone who is to be told of it, opened in the transaction that
stores the result (docs/decisions/0015-outbox.md).

A push says how the incident stands when it goes out. Those to one recipient go out one at a time, so that what is said
last is the latest, and what the first one made (a message that can be changed) is there for the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast

from sqlalchemy import CursorResult, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session

from shared.database import Database, insert_unless_there
from shared.incident import Status
from shared.moment import now
from shared.store.work import LEASE, Claim, complete, give_back, new_work
from shared.tables import AttemptRow, IncidentRow, NotificationRow, WorkRow

Stage = Literal["brief", "result", "update"]
"""What a push is for: the brief of an attempt, its end, or that the alert was resolved or fires again."""

RECIPIENT_LENGTH: Final = 40

BUSY: Final = timedelta(seconds=2)
"""A push whose recipient is just being told something else is taken up again after so long, if nobody wakes it."""


class Pointless(Exception):
    """There is nothing to say any more that another push does not say: the work is closed."""


class Busy(Exception):
    """Another push to the same recipient is under way: the work was given back."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """What decides who is told of an incident, beside its catalog entry."""

    service: str
    severity: str
    sender: str
    callback_url: str | None


def recipient_of(subject: str) -> tuple[str, Stage]:
    """Whom a push is to, and what it is for, by its work's subject: `slack`, `slack.brief`, `slack.resolved.2`."""
    recipient, _, rest = subject.partition(".")
    return recipient, "brief" if rest == "brief" else "update" if rest else "result"


def addressed(database: Database, incident_id: str) -> Addressed:
    """Of this incident. Raises sqlalchemy.exc.NoResultFound."""
    with database.reading() as session:
        return Addressed(*session.execute(_ADDRESSED, {"incident": incident_id}).one())


_ADDRESSED: Final = select(
    IncidentRow.service, IncidentRow.severity, IncidentRow.sender, IncidentRow.callback_url
).where(IncidentRow.id == bindparam("incident"))


def open_briefs(
    session: Session, incident_id: str, attempt: int, recipients: Iterable[str], moment: datetime
) -> tuple[str, ...]:
    """Opens the pushes of a brief, unless an earlier brief of the attempt did. Whoever has a diagnosis from an earlier
    attempt is not shown less meanwhile.
    """
    if attempt > 1:
        earlier = exists().where(AttemptRow.incident_id == incident_id, AttemptRow.outcome == Status.DONE)
        if session.scalar(select(earlier)):
            return ()
    opened = select(WorkRow.subject).where(
        WorkRow.incident_id == incident_id, WorkRow.attempt == attempt, WorkRow.kind == "deliver"
    )
    known = set(session.scalars(opened))
    subjects = [subject for each in recipients if (subject := f"{each}.brief") not in known]
    return tuple(_opened(session, incident_id, attempt, subject, moment) for subject in subjects)


def open_results(session: Session, claim: Claim, recipients: Iterable[str], moment: datetime) -> tuple[str, ...]:
    """Opens the pushes of the end of an attempt."""
    return tuple(_opened(session, claim.incident_id, claim.attempt, each, moment) for each in recipients)


def open_updates(session: Session, row: IncidentRow, moment: datetime) -> tuple[str, ...]:
    """Opens a push to everyone who keeps a message that can be changed: the alert was resolved, or fires again.
    Rows are only added: whoever holds one of them may wait for the incident, which is the caller's.
    """
    what = f"{'resolved' if row.resolved_at else 'firing'}.{row.fire_count}"
    kept = session.scalars(select(NotificationRow).where(NotificationRow.incident_id == row.id))
    told = sorted(each.recipient for each in kept if each.kept)
    return tuple(_opened(session, row.id, row.attempt, f"{each}.{what}", moment) for each in told)


def begin(database: Database, claim: Claim) -> Mapping[str, str]:
    """Makes this the one push to its recipient that is under way; gives what the ones before have kept. Raises
    Pointless, Busy or Fenced.
    """
    recipient, _ = recipient_of(claim.subject)
    moment = now()
    reason: Exception
    with database.writing() as session:
        key = {"incident_id": claim.incident_id, "recipient": recipient}
        insert_unless_there(session, NotificationRow, {**key, "kept": {}})
        if _pointless(session, claim):
            complete(session, claim, state="cancelled")
            reason = Pointless()
        elif _taken(session, claim, recipient, moment):
            return dict(session.get_one(NotificationRow, (claim.incident_id, recipient)).kept)
        else:
            give_back(session, claim, BUSY, None, counts=False)
            reason = Busy()
    raise reason


def keep(database: Database, claim: Claim, kept: Mapping[str, str]) -> None:
    """Stores what the next push to the same recipient has to know, at once: whatever becomes of this one."""
    with database.writing() as session:
        session.execute(_held(claim).values(kept=dict(kept)))


def delivered(database: Database, claim: Claim, error: str | None = None) -> tuple[str, ...]:
    """Closes a push: done, or dead with its error. Gives those that waited for it. Raises Fenced."""
    with database.writing() as session:
        complete(session, claim, error=error)
        session.execute(update(IncidentRow).where(IncidentRow.id == claim.incident_id).values(revision=_NEXT))
        return _released(session, claim)


def put_off(database: Database, claim: Claim, pause: timedelta, reason: str) -> tuple[str, ...]:
    """Gives a push up until its next try. Gives those that waited for it."""
    with database.writing() as session:
        give_back(session, claim, pause, reason)
        return _released(session, claim)


_NEXT: Final = IncidentRow.revision + 1


def _opened(session: Session, incident_id: str, attempt: int, subject: str, moment: datetime) -> str:
    return new_work(session, incident_id, attempt, "deliver", subject, moment=moment)


def _pointless(session: Session, claim: Claim) -> bool:
    """By how the incident stands, and no clock: a brief when the attempt is over, a result when there is a newer
    attempt, which has an end of its own; and that it was resolved, when it fires again.
    """
    row = session.get_one(IncidentRow, claim.incident_id)
    _, stage = recipient_of(claim.subject)
    if stage == "update":
        _, what, count = claim.subject.split(".")
        shown = session.get_one(AttemptRow, (row.id, row.attempt))
        return (what == "resolved") != bool(row.resolved_at) or int(count) != row.fire_count or not shown.brief
    if row.attempt != claim.attempt:
        return True
    return stage == "brief" and session.get_one(AttemptRow, (row.id, claim.attempt)).finished_at is not None


def _taken(session: Session, claim: Claim, recipient: str, moment: datetime) -> bool:
    free = or_(NotificationRow.busy_until.is_(None), NotificationRow.busy_until < moment)
    take = (
        update(NotificationRow)
        .where(NotificationRow.incident_id == claim.incident_id, NotificationRow.recipient == recipient, free)
        .values(busy_with=claim.owner, busy_until=moment + LEASE)
    )
    return cast("CursorResult[Any]", session.execute(take)).rowcount == 1


def _held(claim: Claim) -> Any:
    recipient, _ = recipient_of(claim.subject)
    return update(NotificationRow).where(
        NotificationRow.incident_id == claim.incident_id,
        NotificationRow.recipient == recipient,
        NotificationRow.busy_with == claim.owner,
    )


def _released(session: Session, claim: Claim) -> tuple[str, ...]:
    session.execute(_held(claim).values(busy_with=None, busy_until=None))
    recipient, _ = recipient_of(claim.subject)
    waiting = select(WorkRow.id, WorkRow.subject).where(
        WorkRow.incident_id == claim.incident_id,
        WorkRow.kind == "deliver",
        WorkRow.state == "pending",
        WorkRow.due_at <= now() + BUSY,
        WorkRow.id != claim.work_id,
    )
    return tuple(work_id for work_id, subject in session.execute(waiting) if recipient_of(subject)[0] == recipient)
