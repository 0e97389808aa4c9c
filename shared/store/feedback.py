"""What people say of a finished incident: whether the diagnosis was right, what it was, what fixed it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.database import Database
from shared.incident import Feedback, FeedbackVerdict, Status
from shared.moment import now
from shared.tables import FeedbackRow, IncidentRow


@dataclass(frozen=True, slots=True)
class Judgement:
    """What somebody says of an incident."""

    verdict: FeedbackVerdict
    actual_cause: str | None = None
    fixed_by: str | None = None


class Unfinished(Exception):
    """There is no diagnosis to judge yet."""


def judge(database: Database, incident_id: str, judgement: Judgement) -> bool:
    """Stores a judgement; one that says what the latest says already changes nothing. False when there is no such
    incident. Raises Unfinished.
    """
    with database.writing() as session:
        incident = session.get(IncidentRow, incident_id, with_for_update=True)
        if incident is None:
            return False
        if not Status(incident.status).finished:
            raise Unfinished
        last = _latest(session, incident_id)
        said = (judgement.verdict, judgement.actual_cause, judgement.fixed_by, incident.attempt)
        if last is None or said != (last.verdict, last.actual_cause, last.fixed_by, last.attempt):
            session.add(
                FeedbackRow(
                    incident_id=incident_id,
                    number=last.number + 1 if last else 1,
                    attempt=incident.attempt,
                    verdict=judgement.verdict,
                    actual_cause=judgement.actual_cause,
                    fixed_by=judgement.fixed_by,
                    at=now(),
                )
            )
            incident.revision += 1
        return True


def feedback_of(session: Session, incident_ids: Collection[str]) -> dict[str, Feedback]:
    """The latest judgement of each of the incidents that has one, by id."""
    query = select(FeedbackRow).where(FeedbackRow.incident_id.in_(incident_ids)).order_by(FeedbackRow.number)
    rows = session.scalars(query)
    return {row.incident_id: Feedback.model_validate(row, from_attributes=True) for row in rows}


def _latest(session: Session, incident_id: str) -> FeedbackRow | None:
    query = select(FeedbackRow).where(FeedbackRow.incident_id == incident_id)
    return session.scalars(query.order_by(FeedbackRow.number.desc()).limit(1)).first()
