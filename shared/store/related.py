"""Incidents that began about the same time in services that depend on each other: they point at each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.incident import RelatedIncident, Status
from shared.tables import IncidentRow

WINDOW: Final = timedelta(minutes=15)
"""How far apart alerts of one trouble come, with the waits and groupings of their rules."""

MOST: Final = 20

Relation = Literal["same", "dependency", "dependent"]


def related_incidents(session: Session, row: IncidentRow, scope: dict[str, Any] | None) -> tuple[RelatedIncident, ...]:
    """The incidents around this one, nearest in time first. `scope` is what the catalog stage stored: without it only
    the service's own other incidents are known.
    """
    how = _neighbours(scope) | {row.service: "same"}
    query = (
        select(IncidentRow.id, IncidentRow.service, IncidentRow.title, IncidentRow.status, IncidentRow.received_at)
        .where(IncidentRow.service.in_(list(how)), IncidentRow.id != row.id)
        .where(IncidentRow.received_at.between(row.received_at - WINDOW, row.received_at + WINDOW))
        .limit(MOST * 5)
    )
    found = sorted(session.execute(query), key=lambda other: abs(other[4] - row.received_at))
    return tuple(
        RelatedIncident(id=other, service=service, title=title, status=Status(status), relation=how[service])
        for other, service, title, status, _ in found[:MOST]
    )


def _neighbours(scope: dict[str, Any] | None) -> dict[str, Relation]:
    component = (scope or {}).get("component") or {}
    dependents: dict[str, Relation] = {_name(ref): "dependent" for ref in component.get("dependents", ())}
    return dependents | {_name(ref): "dependency" for ref in component.get("dependsOn", ())}


def _name(ref: str) -> str:
    """The name in an entity ref, `component:default/invoice-api`."""
    return ref.rpartition("/")[2].rpartition(":")[2]
