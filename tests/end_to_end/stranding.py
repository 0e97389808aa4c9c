"""What a test does to work that lies about: it lets time pass, and lets somebody look."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import and_, not_, update

from shared.database import Database
from shared.moment import now
from shared.tables import WorkRow
from shared.task_application import make_celery
from shared.task_queue import RECONCILE
from tests.installation import Installation


def fall_due(installation: Installation, states: Sequence[str] = ("pending", "running")) -> None:
    """The time that work in these states may wait is over: deadlines, else leases of the dead and pauses before another
    try.
    """
    past = now() - timedelta(seconds=1)
    bounded = and_(WorkRow.state == "running", WorkRow.deadline_at.is_not(None))
    change = update(WorkRow).where(WorkRow.state.in_(states))
    database = Database(installation.storage.resolved_database_url())
    with database.writing() as session:
        session.execute(change.where(bounded).values(deadline_at=past))
        session.execute(change.where(not_(bounded)).values(due_at=past))
    database.close()


def sweep(installation: Installation) -> None:
    """What beat asks for every few seconds."""
    with make_celery(installation.storage) as celery:
        celery.send_task(RECONCILE)
