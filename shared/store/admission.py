"""Admission: so many attempts are under way at once, the others wait their turn. A storm is deferred, never dropped.

Worst severity first; among equals the services take turns, so that one noisy service cannot starve another; then age.
The bound holds across all workers, and with it the number of model calls at once: an attempt makes one at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar, cast

from sqlalchemy import CTE, ColumnElement, ScalarSelect, Select, Table, bindparam, case, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from shared.alert import Severity
from shared.database import Database, UtcDateTime
from shared.incident import QueuePlace
from shared.known_services import remember
from shared.moment import now
from shared.store.work import UNPUBLISHED
from shared.tables import AttemptRow, IncidentRow, WorkRow

T = TypeVar("T")

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
        (under_way,) = transaction.one(_COUNT_UNDER_WAY, {})
        if under_way >= most:
            return ()
        admitted = []
        for work_id, incident_id, attempt, service in transaction.rows(_in_turn(), {"free": most - under_way}):
            # Not what was cancelled meanwhile.
            if transaction.count(_ADMITTED_WORK, {"chosen": work_id, "due": moment + UNPUBLISHED}):
                transaction.count(_ADMITTED, {"incident": incident_id, "current": attempt, "moment": moment})
                remember(incident_id, service)
                admitted.append(str(work_id))
    return tuple(admitted)


def places(session: Session, incident_ids: Sequence[str]) -> dict[str, QueuePlace]:
    """Where those of the incidents that wait stand in the queue, and how long that takes as things went lately. The
    services' taking turns is left out of the count: it moves all but a noisy one by a few places.
    """
    if not incident_ids:
        return {}
    waiting = _waiting()
    position = func.rank().over(order_by=(waiting.c.rank, waiting.c.created_at)).label("position")
    queue = select(waiting.c.incident_id, position).subquery()
    found = session.execute(select(queue.c.incident_id, queue.c.position).where(queue.c.incident_id.in_(incident_ids)))
    each = _seconds_each(session)
    return {
        incident_id: QueuePlace(position=place, estimate_seconds=None if each is None else round(place * each))
        for incident_id, place in found
    }


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
    query = select(func.count(), func.min(WorkRow.created_at)).where(
        WorkRow.kind == "investigate", WorkRow.state == "waiting"
    )
    count, since = session.execute(query).one()
    return Backlog(count, since)


def _under_way() -> tuple[ColumnElement[bool], ...]:
    return AttemptRow.finished_at.is_(None), AttemptRow.admitted_at.is_not(None)


def _waiting() -> CTE:
    """What waits, with what its turn depends on."""
    return (
        select(
            WorkRow.id,
            WorkRow.incident_id,
            WorkRow.attempt,
            WorkRow.created_at,
            _of_incident(IncidentRow.service, WorkRow.incident_id).label("service"),
            _of_incident(_rank(), WorkRow.incident_id).label("rank"),
        )
        .where(WorkRow.kind == "investigate", WorkRow.state == "waiting")
        .cte("waiting")
        .prefix_with("MATERIALIZED", dialect="postgresql")  # or each use of service and rank would look them up
    )


def _of_incident(what: ColumnElement[T] | InstrumentedAttribute[T], incident_id: Any) -> ScalarSelect[T]:
    """Looked up for each row by its key. Joined, PostgreSQL compares all that wait with all that wait, or reads all
    incidents there ever were, as its statistics know nothing yet of a storm.
    """
    return select(what).where(IncidentRow.id == incident_id).scalar_subquery()


_WORK, _ATTEMPTS = cast("Table", WorkRow.__table__), cast("Table", AttemptRow.__table__)
_ADMITTED_WORK: Final = (
    update(_WORK)
    .where(_WORK.c.id == bindparam("chosen"), _WORK.c.state == "waiting")
    .values(state="pending", due_at=bindparam("due", type_=UtcDateTime))
)
_ADMITTED: Final = (
    update(_ATTEMPTS)
    .where(_ATTEMPTS.c.incident_id == bindparam("incident"), _ATTEMPTS.c.number == bindparam("current"))
    .values(admitted_at=bindparam("moment", type_=UtcDateTime))
)
_IN_LINE: Final = select(func.count()).select_from(
    select(_WORK.c.id)
    .where(_WORK.c.kind == "investigate", _WORK.c.state == "waiting")
    .limit(bindparam("most"))
    .subquery()
)
_COUNT_UNDER_WAY: Final = select(func.count()).select_from(AttemptRow).where(*_under_way())


@cache
def _in_turn() -> Select[str, str, int, str]:
    """So much waiting work as is `free`, in the order in which it is admitted."""
    waiting, service = _waiting(), _of_incident(IncidentRow.service, AttemptRow.incident_id)
    under_way = select(service.label("service")).where(*_under_way()).subquery()
    busy = select(under_way.c.service, func.count().label("busy")).group_by(under_way.c.service).subquery()
    turn = func.row_number().over(partition_by=(waiting.c.service, waiting.c.rank), order_by=waiting.c.created_at)
    return (
        select(waiting.c.id, waiting.c.incident_id, waiting.c.attempt, waiting.c.service)
        .outerjoin(busy, busy.c.service == waiting.c.service)
        .order_by(waiting.c.rank, turn + func.coalesce(busy.c.busy, 0), waiting.c.created_at, waiting.c.id)
        .limit(bindparam("free"))
    )


def _rank() -> ColumnElement[int]:
    return case({severity.value: severity.rank for severity in Severity}, value=IncidentRow.severity, else_=2)


def _seconds_each(session: Session) -> float | None:
    """Seconds from one finished attempt to the next, lately."""
    lately = select(AttemptRow.finished_at).where(AttemptRow.finished_at.is_not(None))
    finished = session.scalars(lately.order_by(AttemptRow.finished_at.desc()).limit(_LATELY)).all()
    if len(finished) < 2:
        return None
    newest, oldest = finished[0], finished[-1]
    return (newest - oldest).total_seconds() / (len(finished) - 1) if newest and oldest else None
