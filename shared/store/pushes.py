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

from sqlalchemy import BindParameter, Table, bindparam, or_, select, update
from sqlalchemy.orm import Session

from shared.database import Database, UtcDateTime
from shared.incident import Status
from shared.moment import now
from shared.store.work import LEASE, SEEN, Claim, complete, give_back, open_work, work_row
from shared.tables import AttemptRow, IncidentRow, NotificationRow, WorkRow
from shared.transaction import Transaction

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
    with database.looking() as look:
        return Addressed(*look.one(_ADDRESSED, {"incident": incident_id}))


def open_briefs(
    transaction: Transaction, incident_id: str, attempt: int, recipients: Iterable[str], moment: datetime
) -> tuple[str, ...]:
    """Opens the pushes of a brief, unless an earlier brief of the attempt did. Whoever has a diagnosis from an earlier
    attempt is not shown less meanwhile.
    """
    recipients = tuple(recipients)
    key = {"incident": incident_id, "current": attempt}
    if not recipients or (attempt > 1 and transaction.row(_DIAGNOSED, key)):
        return ()
    known = {subject for (subject,) in transaction.rows(_OPENED, key)}
    subjects = [subject for each in recipients if (subject := f"{each}.brief") not in known]
    return _open(transaction, incident_id, attempt, subjects, moment)


def of_result(claim: Claim, recipients: Iterable[str], moment: datetime) -> list[dict[str, Any]]:
    """The work of the pushes of an attempt's end."""
    return _rows(claim.incident_id, claim.attempt, recipients, moment)


def open_updates(session: Session, row: IncidentRow, moment: datetime) -> tuple[str, ...]:
    """Opens a push to everyone who keeps a message that can be changed: the alert was resolved, or fires again.
    Rows are only added: whoever holds one of them may wait for the incident, which is the caller's.
    """
    what = f"{'resolved' if row.resolved_at else 'firing'}.{row.fire_count}"
    kept = session.scalars(select(NotificationRow).where(NotificationRow.incident_id == row.id))
    told = sorted(each.recipient for each in kept if each.kept)
    return _open(Transaction.of(session), row.id, row.attempt, [f"{each}.{what}" for each in told], moment)


def begin(database: Database, claim: Claim) -> Mapping[str, str]:
    """Makes this the one push to its recipient that is under way; gives what the ones before have kept. Raises
    Pointless, Busy or Fenced.
    """
    recipient, _ = recipient_of(claim.subject)
    moment = now()
    reason: Exception
    with database.transaction() as transaction:
        row = {"incident_id": claim.incident_id, "recipient": recipient, "kept": {}}
        transaction.insert(NotificationRow, [row], "kept")
        busy = {**_holder(claim), "moment": moment, "until": moment + LEASE}
        if _pointless(transaction, claim):
            complete(transaction, claim, state="cancelled")
            reason = Pointless()
        elif taken := transaction.row(_TAKEN, busy):
            (kept,) = taken
            return dict(kept)
        else:
            give_back(transaction, claim, BUSY, None, counts=False)
            reason = Busy()
    raise reason


def keep(database: Database, claim: Claim, kept: Mapping[str, str]) -> None:
    """Stores what the next push to the same recipient has to know, at once: whatever becomes of this one."""
    with database.transaction() as transaction:
        transaction.count(_KEPT, {**_holder(claim), "kept": dict(kept)})


def delivered(database: Database, claim: Claim, error: str | None = None) -> tuple[str, ...]:
    """Closes a push: done, or dead with its error. Gives those that waited for it. Raises Fenced."""
    with database.transaction() as transaction:
        complete(transaction, claim, error=error)
        transaction.count(SEEN, {"incident": claim.incident_id})
        return _released(transaction, claim)


def put_off(database: Database, claim: Claim, pause: timedelta, reason: str) -> tuple[str, ...]:
    """Gives a push up until its next try. Gives those that waited for it."""
    with database.transaction() as transaction:
        give_back(transaction, claim, pause, reason)
        return _released(transaction, claim)


def _open(
    transaction: Transaction, incident_id: str, attempt: int, subjects: Iterable[str], moment: datetime
) -> tuple[str, ...]:
    return open_work(transaction, _rows(incident_id, attempt, subjects, moment))


def _rows(incident_id: str, attempt: int, subjects: Iterable[str], moment: datetime) -> list[dict[str, Any]]:
    return [work_row(incident_id, attempt, "deliver", subject, moment=moment) for subject in subjects]


def _pointless(transaction: Transaction, claim: Claim) -> bool:
    """By how the incident stands, and no clock: a brief when the attempt is over, a result when there is a newer
    attempt, which has an end of its own; and that it was resolved, when it fires again.
    """
    _, stage = recipient_of(claim.subject)
    key = {"incident": claim.incident_id}
    (standing,) = transaction.rows(_STANDING, key)
    current, resolved_at, fire_count, over, briefed = standing
    if stage == "update":
        _, what, count = claim.subject.split(".")
        return (what == "resolved") != bool(resolved_at) or int(count) != fire_count or not briefed
    return current != claim.attempt or (stage == "brief" and over)


def _released(transaction: Transaction, claim: Claim) -> tuple[str, ...]:
    transaction.count(_FREED, _holder(claim))
    recipient, _ = recipient_of(claim.subject)
    waiting = transaction.rows(_WAITING, {"incident": claim.incident_id, "soon": now() + BUSY, "mine": claim.work_id})
    return tuple(work_id for work_id, subject in waiting if recipient_of(subject)[0] == recipient)


def _holder(claim: Claim) -> dict[str, Any]:
    recipient, _ = recipient_of(claim.subject)
    return {"incident": claim.incident_id, "recipient": recipient, "holder": claim.owner}


# Built once: SQLAlchemy takes longer to build a statement than to run it.
_INCIDENTS, _ATTEMPTS, _WORK, _NOTIFICATIONS = (
    cast("Table", row.__table__) for row in (IncidentRow, AttemptRow, WorkRow, NotificationRow)
)
_INCIDENT: Final[BindParameter[str]] = bindparam("incident")
_ADDRESSED: Final = select(
    _INCIDENTS.c.service, _INCIDENTS.c.severity, _INCIDENTS.c.sender, _INCIDENTS.c.callback_url
).where(_INCIDENTS.c.id == _INCIDENT)
_DIAGNOSED: Final = (
    select(_ATTEMPTS.c.number).where(_ATTEMPTS.c.incident_id == _INCIDENT, _ATTEMPTS.c.outcome == Status.DONE).limit(1)
)
_OPENED: Final = select(_WORK.c.subject).where(
    _WORK.c.incident_id == _INCIDENT, _WORK.c.attempt == bindparam("current"), _WORK.c.kind == "deliver"
)
_STANDING: Final = (
    select(
        _INCIDENTS.c.attempt,
        _INCIDENTS.c.resolved_at,
        _INCIDENTS.c.fire_count,
        _ATTEMPTS.c.finished_at.is_not(None),
        _ATTEMPTS.c.brief.is_not(None),
    )
    .join(_ATTEMPTS, (_ATTEMPTS.c.incident_id == _INCIDENTS.c.id) & (_ATTEMPTS.c.number == _INCIDENTS.c.attempt))
    .where(_INCIDENTS.c.id == _INCIDENT)
)
_OF_RECIPIENT: Final = update(_NOTIFICATIONS).where(
    _NOTIFICATIONS.c.incident_id == _INCIDENT, _NOTIFICATIONS.c.recipient == bindparam("recipient")
)
_MOMENT, _UNTIL, _SOON = (bindparam(name, type_=UtcDateTime) for name in ("moment", "until", "soon"))
_TAKEN: Final = (
    _OF_RECIPIENT.where(or_(_NOTIFICATIONS.c.busy_until.is_(None), _NOTIFICATIONS.c.busy_until < _MOMENT))
    .values(busy_with=bindparam("holder"), busy_until=_UNTIL)
    .returning(_NOTIFICATIONS.c.kept)
)
_OF_HOLDER: Final = _OF_RECIPIENT.where(_NOTIFICATIONS.c.busy_with == bindparam("holder"))
_KEPT: Final = _OF_HOLDER.values(kept=bindparam("kept"))
_FREED: Final = _OF_HOLDER.values(busy_with=None, busy_until=None)
_WAITING: Final = select(_WORK.c.id, _WORK.c.subject).where(
    _WORK.c.incident_id == _INCIDENT,
    _WORK.c.kind == "deliver",
    _WORK.c.state == "pending",
    _WORK.c.due_at <= _SOON,
    _WORK.c.id != bindparam("mine"),
)
