"""Forgetting what is old, so that the database does not grow for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, select

from shared.database import Database
from shared.incident import Status
from shared.tables import DeploymentRow, IncidentRow, WorkRow

BATCH: Final = 200
"""Rows of a kind that one call takes away: others wait for no longer than that takes."""

_OPEN: Final = ("waiting", "pending", "running")


def expire(database: Database, before: datetime) -> int:
    """Takes away incidents with all that belongs to them that were last heard of before a moment, and deploys that
    began before it, a batch of each; gives how many incidents. What is under way or still to be pushed stays, and so
    does what the model cost.
    """
    busy = select(WorkRow.id).where(WorkRow.incident_id == IncidentRow.id, WorkRow.state.in_(_OPEN))
    over = [status for status in Status if status.finished]
    old = (
        select(IncidentRow.id)
        .where(IncidentRow.received_at < before, IncidentRow.last_seen_at < before, IncidentRow.status.in_(over))
        .where(~busy.exists())
        .order_by(IncidentRow.received_at)
        .limit(BATCH)
    )
    deploys = select(DeploymentRow.identity).where(DeploymentRow.started_at < before).limit(BATCH)
    with database.writing() as session:
        ids = session.scalars(old.with_for_update(skip_locked=True)).all()
        gone = session.execute(delete(IncidentRow).where(IncidentRow.id.in_(ids)))
        session.execute(delete(DeploymentRow).where(DeploymentRow.identity.in_(deploys)))
        return cast("CursorResult[Any]", gone).rowcount
