"""Deploys that somebody told us about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam, select

from shared.database import Database, UtcDateTime, insert_unless_there
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
    values = {"since": since, "until": until, **{f"service_{n}": service for n, service in enumerate(services)}}
    with database.looking() as look:
        return tuple(Deploy(**dict(zip(_FIELDS, row, strict=True))) for row in look.rows(_of(len(services)), values))


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


@cache
def _of(services: int) -> Select[Any]:
    """The deploys of so many services; built once, for that takes longer than to run it."""
    any_of_them: list[BindParameter[str]] = [bindparam(f"service_{n}") for n in range(services)]
    since, until = (bindparam(name, type_=UtcDateTime) for name in ("since", "until"))
    started = DeploymentRow.started_at
    return (
        select(*(DeploymentRow.__table__.columns[name] for name in _FIELDS))
        .where(DeploymentRow.service.in_(any_of_them), started.between(since, until))
        .order_by(started.desc())
        .limit(MOST)
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
