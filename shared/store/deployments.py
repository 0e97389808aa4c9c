"""Deploys that somebody told us about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import select

from shared.database import Database, insert_unless_there
from shared.deploy import Deploy
from shared.moment import now, rfc3339
from shared.tables import DeploymentRow

MOST: Final = 200
"""Deploys that one investigation is told of, newest first."""


def record(database: Database, deployments: Sequence[Deploy]) -> int:
    """Commits the events that are new, and says how many were."""
    moment = now()
    with database.writing() as session:
        return sum(
            insert_unless_there(
                session, DeploymentRow, {"identity": _identity(event), "received_at": moment, **_kept(event)}
            )
            for event in deployments
        )


def between(database: Database, services: Sequence[str], since: datetime, until: datetime) -> tuple[Deploy, ...]:
    """The deploys of `services` that started in [since, until], newest first."""
    query = (
        select(DeploymentRow)
        .where(DeploymentRow.service.in_(services), DeploymentRow.started_at.between(since, until))
        .order_by(DeploymentRow.started_at.desc())
        .limit(MOST)
    )
    with database.reading() as session:
        return tuple(Deploy(**{name: getattr(row, name) for name in _FIELDS}) for row in session.scalars(query))


_FIELDS: Final = (
    "service",
    "started_at",
    "version",
    "commit",
    "environment",
    "url",
    "actor",
    "action",
    "flag",
    "change",
)


def _kept(event: Deploy) -> dict[str, object]:
    values = asdict(event)
    return {name: values[name] for name in _FIELDS}


def _identity(event: Deploy) -> str:
    if event.event_id:
        parts: tuple[str | None, ...] = (event.event_id,)
    else:
        at = rfc3339(event.started_at)
        parts = (event.service, event.version, event.commit, event.environment, event.action, at)
        parts += (event.flag, event.change) if event.flag else ()
    return hashlib.sha256("\x00".join(part or "" for part in parts).encode()).hexdigest()
