"""Reading incidents: the document, the list, and the cheap question whether anything changed."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session, load_only

from shared.database import Database
from shared.incident import (
    AlertSeen,
    Attempt,
    Brief,
    Delivery,
    Diagnosis,
    Incident,
    IncidentSummary,
    Link,
    Status,
    Timings,
    Usage,
)
from shared.moment import parse_time, rfc3339
from shared.store import admission, covering
from shared.store.admission import Backlog
from shared.store.feedback import feedback_of
from shared.store.findings import coverage_of, facts_of
from shared.store.pushes import recipient_of
from shared.store.related import related_incidents
from shared.tables import AlertRow, AttemptRow, IncidentRow, WorkRow
from shared.transaction import Transaction

_ID: Final = re.compile(r"[a-z0-9]{1,40}")


@dataclass(frozen=True, slots=True)
class Revision:
    """The state of an incident, for ETags and waiting."""

    number: int
    status: Status


@dataclass(frozen=True, slots=True)
class Filters:
    """Which incidents to list."""

    service: str | None = None
    status: Status | None = None
    severity: str | None = None
    resolved: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    """Words to find in service or title."""
    limit: int = 50
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list, newest first."""

    incidents: tuple[IncidentSummary, ...]
    next_cursor: str | None
    backlog: Backlog = field(default_factory=Backlog)
    """What waits for its turn, on this page of the list or elsewhere."""


class BadCursor(ValueError):
    """The cursor is none of ours."""


def revision(database: Database, incident_id: str) -> Revision | None:
    """The incident's revision by one indexed query, or None when there is no such incident."""
    query = select(IncidentRow.revision, IncidentRow.status).where(IncidentRow.id == incident_id)
    with database.reading() as session:
        row = session.execute(query).one_or_none()
    return None if row is None else Revision(row[0], Status(row[1]))


def incident(database: Database, incident_id: str) -> Incident | None:
    """The whole document, or None when there is no such incident."""
    with database.reading() as session:
        row = session.get(IncidentRow, incident_id)
        if row is None:
            return None
        attempts = session.scalars(
            select(AttemptRow).where(AttemptRow.incident_id == incident_id).order_by(AttemptRow.number)
        ).all()
        current, look = attempts[-1], Transaction.of(session)
        return Incident(
            **_summary(row, current),
            alerts=_alerts(session, incident_id),
            coverage=coverage_of(look, incident_id, current.number),
            facts=facts_of(look, incident_id, current.number),
            brief=Brief.model_validate(current.brief) if current.brief else None,
            diagnosis=Diagnosis.model_validate(current.diagnosis) if current.diagnosis else None,
            analysis=current.analysis,
            feedback=feedback_of(session, (incident_id,)).get(incident_id),
            covered_by=covering.covering(session, row),
            covers=covering.covered(session, row),
            related=related_incidents(session, row, current.scope),
            queue=admission.place(session, row.id) if row.status == Status.QUEUED else None,
            deliveries=_deliveries(session, attempts),
            usage=Usage.model_validate(current, from_attributes=True),
            timings=_timings(current),
            attempts=tuple(Attempt.model_validate(attempt, from_attributes=True) for attempt in attempts),
        )


def page(database: Database, filters: Filters) -> Page:
    """One page of incidents. Raises BadCursor."""
    query = (
        select(IncidentRow, AttemptRow)
        .join(AttemptRow, and_(AttemptRow.incident_id == IncidentRow.id, AttemptRow.number == IncidentRow.attempt))
        .options(load_only(AttemptRow.diagnosis))  # prompts and replies are large
        .where(*_conditions(filters))
        .order_by(IncidentRow.received_at.desc(), IncidentRow.id.desc())
        .limit(filters.limit + 1)
    )
    with database.reading() as session:
        rows = session.execute(query).all()
        shown = rows[: filters.limit]
        queue = admission.places(session, [row.id for row, _ in shown if row.status == Status.QUEUED])
        summaries = tuple(IncidentSummary(**_summary(row, attempt), queue=queue.get(row.id)) for row, attempt in shown)
        backlog = admission.backlog(session)
    more = len(rows) > filters.limit
    return Page(summaries, _cursor(shown[-1][0]) if more and shown else None, backlog)


def _summary(row: IncidentRow, attempt: AttemptRow) -> dict[str, Any]:
    names = IncidentSummary.model_fields.keys() - {"links", "previous", "cause", "queue"}
    return {
        **{name: getattr(row, name) for name in names},
        "links": tuple(Link.model_validate(link) for link in row.links),
        "previous": row.previous_id,
        "cause": attempt.diagnosis["probableCause"]["statement"] if attempt.diagnosis else None,
    }


def _alerts(session: Session, incident_id: str) -> tuple[AlertSeen, ...]:
    query = (
        select(AlertRow).where(AlertRow.incident_id == incident_id).order_by(AlertRow.received_at, AlertRow.identity)
    )
    return tuple(
        AlertSeen(
            fingerprint=row.fingerprint,
            status="firing" if row.firing else "resolved",
            title=row.title,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            labels=row.labels,
        )
        for row in session.scalars(query.limit(500))
    )


def _deliveries(session: Session, attempts: Sequence[AttemptRow]) -> tuple[Delivery, ...]:
    query = select(WorkRow).where(WorkRow.incident_id == attempts[0].incident_id, WorkRow.kind == "deliver")
    rows = session.scalars(query.where(WorkRow.state != "cancelled").order_by(WorkRow.created_at, WorkRow.id))
    told = [(row.state, _delivery(row)) for row in rows]
    # A brief that waits for another try when its attempt is over is let go by whoever takes it up.
    over = {attempt.number for attempt in attempts if attempt.finished_at}
    return tuple(
        each for state, each in told if not (state == "pending" and each.stage == "brief" and each.attempt in over)
    )


def _delivery(row: WorkRow) -> Delivery:
    recipient, stage = recipient_of(row.subject)
    return Delivery(
        id=row.id,
        to=recipient,
        stage=stage,
        attempt=row.attempt,
        state="waiting" if row.state != "done" else "dead" if row.error else "delivered",
        tries=row.tries,
        next_at=row.due_at if row.state == "pending" and row.tries else None,
        reason=row.error,
    )


def _timings(attempt: AttemptRow) -> Timings:
    asked = attempt.created_at
    return Timings(
        queued_ms=_millis(asked, attempt.started_at),
        brief_ms=_millis(asked, attempt.brief_at),
        model_ms=_millis(attempt.diagnosing_at, attempt.finished_at),
        total_ms=_millis(asked, attempt.finished_at),
    )


def _millis(since: datetime | None, until: datetime | None) -> int | None:
    return None if since is None or until is None else (until - since) // timedelta(milliseconds=1)


def _conditions(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column, value in (
        (IncidentRow.service, filters.service),
        (IncidentRow.status, filters.status),
        (IncidentRow.severity, filters.severity),
    ):
        if value is not None:
            conditions.append(column == value)
    if filters.resolved is not None:
        conditions.append(
            IncidentRow.resolved_at.is_not(None) if filters.resolved else IncidentRow.resolved_at.is_(None)
        )
    if filters.since:
        conditions.append(IncidentRow.received_at >= filters.since)
    if filters.until:
        conditions.append(IncidentRow.received_at < filters.until)
    for word in (filters.text or "").split()[:8]:
        conditions.append(
            or_(
                IncidentRow.title.icontains(word, autoescape=True),
                IncidentRow.service.icontains(word, autoescape=True),
                IncidentRow.id.startswith(word.lower(), autoescape=True),
            )
        )
    if filters.cursor:
        conditions.append(_after(filters.cursor))
    return conditions


def _cursor(row: IncidentRow) -> str:
    return base64.urlsafe_b64encode(f"{rfc3339(row.received_at)}|{row.id}".encode()).decode().rstrip("=")


def _after(cursor: str) -> ColumnElement[bool]:
    try:
        at, _, incident_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
    except ValueError:
        raise BadCursor from None
    moment = parse_time(at)
    if moment is None or not _ID.fullmatch(incident_id):
        raise BadCursor
    return or_(IncidentRow.received_at < moment, and_(IncidentRow.received_at == moment, IncidentRow.id < incident_id))
