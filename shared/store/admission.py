"""Admission: so many attempts are under way at once, the others wait their turn. A storm is deferred, never dropped.

Worst severity first; among equals the services take turns, so that one noisy service cannot starve another; then age.
The bound holds across all workers, and with it the number of model calls at once: an attempt makes one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final, cast

from sqlalchemy import Select, Table, bindparam, func, literal, null, select, union_all, update
from sqlalchemy.orm import Session, aliased

from shared.database import Database, UtcDateTime
from shared.incident import QueuePlace
from shared.known_services import remember
from shared.moment import now
from shared.store.work import UNPUBLISHED
from shared.tables import UNDER_WAY, WAITS, AttemptRow, WorkRow
from shared.transaction import among, listed

_LOCK: Final = 0x77687964
"""The advisory lock of admission on PostgreSQL: any constant of our own."""

_LATELY: Final = 50
"""Finished attempts that an estimate is made from."""


def admit(database: Database, most: int) -> tuple[str, ...]:
    """Lets waiting attempts begin while fewer than `most` are under way; gives their work's ids, to be published."""
    moment = now()
    with database.transaction() as transaction:
        if not database.is_sqlite:  # SQLite's writers come one at a time anyway
            transaction.plain(f"SELECT pg_advisory_xact_lock({_LOCK})")
        (under_way,) = transaction.one(COUNT_UNDER_WAY, {})
        if under_way >= most:
            return ()
        first = transaction.rows(_in_turn(), {"free": most - under_way})
        if not first:
            return ()
        chosen = listed([work_id for work_id, *_ in first])
        # Not what was cancelled meanwhile, nor what somebody cancels or hastens right now: its turn comes another time.
        begun = {work_id for (work_id,) in transaction.rows(_BEGUN, {"chosen": chosen, "due": moment + UNPUBLISHED})}
        admitted = [(work_id, incident_id, service) for work_id, incident_id, service in first if work_id in begun]
        incidents = listed([incident_id for _, incident_id, _ in admitted])
        transaction.count(_ADMITTED, {"incidents": incidents, "moment": moment})
    for _, incident_id, service in admitted:
        remember(incident_id, service)
    return tuple(work_id for work_id, *_ in admitted)


def place(session: Session, incident_id: str) -> QueuePlace | None:
    """Where an incident that waits stands in the line, and how long that takes as things went lately; None when it does
    not wait. The services' taking turns is left out of the count: it moves all but a noisy one by a few places.
    """
    before = session.execute(_BEFORE, {"incident": incident_id}).one_or_none()
    if before is None:
        return None
    more_urgent, older = before
    return _place(1 + more_urgent + older, _seconds_each(session))


def places(session: Session, incident_ids: Sequence[str]) -> dict[str, QueuePlace]:
    """`place` of those of the incidents that wait."""
    if not incident_ids:
        return {}
    position = func.rank().over(order_by=(WorkRow.rank, WorkRow.created_at)).label("position")
    line = select(WorkRow.incident_id, position).where(WAITS).subquery()
    found = session.execute(select(line.c.incident_id, line.c.position).where(line.c.incident_id.in_(incident_ids)))
    each = _seconds_each(session)
    return {incident_id: _place(position, each) for incident_id, position in found}


def _place(position: int, each: float | None) -> QueuePlace:
    return QueuePlace(position=position, estimate_seconds=None if each is None else round(position * each))


def in_line(database: Database, most: int) -> int:
    """How many wait for their turn; counts to `most`."""
    with database.looking() as look:
        return int(look.one(_IN_LINE, {"most": most})[0])


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for its turn."""

    count: int = 0
    since: datetime | None = None
    """Since when the oldest of it waits; None when nothing does."""


def backlog(session: Session) -> Backlog:
    """How much waits, by one look at an index."""
    count, since = session.execute(select(func.count(), func.min(WorkRow.created_at)).where(WAITS)).one()
    return Backlog(count, since)


_WORK, _ATTEMPTS = cast("Table", WorkRow.__table__), cast("Table", AttemptRow.__table__)
_UNLOCKED: Final = (
    select(_WORK.c.id).where(among(_WORK.c.id, "chosen"), _WORK.c.state == "waiting").with_for_update(skip_locked=True)
)
_BEGUN: Final = (
    update(_WORK)
    .where(_WORK.c.id.in_(_UNLOCKED))
    .values(state="pending", due_at=bindparam("due", type_=UtcDateTime))
    .returning(_WORK.c.id)
)
_ADMITTED: Final = (
    update(_ATTEMPTS)
    # Of an incident's attempts the one that waits: all before it are over.
    .where(among(_ATTEMPTS.c.incident_id, "incidents"), _ATTEMPTS.c.admitted_at.is_(None))
    .where(_ATTEMPTS.c.finished_at.is_(None))
    .values(admitted_at=bindparam("moment", type_=UtcDateTime))
)
_IN_LINE: Final = select(func.count()).select_from(select(_WORK.c.id).where(WAITS).limit(bindparam("most")).subquery())
COUNT_UNDER_WAY: Final = select(func.count()).select_from(AttemptRow).where(UNDER_WAY)
"""How many attempts were admitted and are not over."""
_MINE: Final = aliased(WorkRow)
_BEFORE: Final = select(
    select(func.count()).where(WAITS, WorkRow.rank < _MINE.rank).scalar_subquery(),
    select(func.count())
    .where(WAITS, WorkRow.rank == _MINE.rank, WorkRow.created_at < _MINE.created_at)
    .scalar_subquery(),
).where(_MINE.incident_id == bindparam("incident"), _MINE.state == "waiting")
"""How many are before an incident that waits: those that are more urgent, and those as urgent that are older."""


@cache
def _in_turn() -> Select[str, str, str]:
    """So much waiting work as is `free`, in the order in which it is admitted. A service's turns are counted from those
    of its attempts that are under way.

    No join: a plan that was made once, while little was there, would go through all that is under way for each.
    """
    under_way = select(
        *(literal(-1).label("rank"), AttemptRow.service),
        *(null().label(name) for name in ("created_at", "id", "incident_id")),
    ).where(UNDER_WAY, AttemptRow.service >= "")  # any: SQLite would not look into the index of them else
    waiting = select(*(_WORK.c[name] for name in ("rank", "service", "created_at", "id", "incident_id"))).where(WAITS)
    everybody = union_all(waiting, under_way).subquery()
    turn = func.row_number().over(
        partition_by=everybody.c.service, order_by=(everybody.c.rank, everybody.c.created_at, everybody.c.id)
    )
    line = select(everybody, turn.label("turn")).subquery()
    return (
        select(line.c.id, line.c.incident_id, line.c.service)
        .where(line.c.id.is_not(None))
        .order_by(line.c.rank, line.c.turn, line.c.created_at, line.c.id)
        .limit(bindparam("free"))
    )


def _seconds_each(session: Session) -> float | None:
    """Seconds from one finished attempt to the next, lately."""
    lately = select(AttemptRow.finished_at).where(AttemptRow.finished_at.is_not(None))
    finished = session.scalars(lately.order_by(AttemptRow.finished_at.desc()).limit(_LATELY)).all()
    if len(finished) < 2:
        return None
    newest, oldest = finished[0], finished[-1]
    return (newest - oldest).total_seconds() / (len(finished) - 1) if newest and oldest else None
