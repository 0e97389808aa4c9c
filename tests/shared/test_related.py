"""Incidents of services that depend on each other point at each other."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.database import Database
from shared.store import admission, findings, intake, reading, work
from shared.store.findings import Resolution
from shared.store.intake import ManualRequest
from shared.store.related import WINDOW
from shared.tables import IncidentRow


def opened(database: Database, service: str) -> str:
    return intake.open_manual(database, ManualRequest(service=service, title=f"{service} is down")).incidents[0].id


def in_catalog(database: Database, incident_id: str, **component: Any) -> None:
    """Lets the catalog stage find the component."""
    admission.admit(database, 99)
    claim = work.claim(database, f"{incident_id}.1.investigate")
    assert claim is not None
    service = reading.incident(database, incident_id).service  # type: ignore[union-attr]
    findings.resolve(database, claim, Resolution({"component": component}, service, None, sources=("logs.loki",)))


def related(database: Database, incident_id: str) -> set[tuple[str, str]]:
    document = reading.incident(database, incident_id)
    assert document is not None
    return {(other.id, other.relation) for other in document.related}


def test_neighbours_point_at_each_other(database: Database) -> None:
    api, db, mail, other = (opened(database, name) for name in ("api", "db", "mail", "other"))
    in_catalog(database, api, dependsOn=["resource:default/db"], dependents=["component:default/mail"])
    in_catalog(database, db, dependents=["component:default/api"])
    again = opened(database, "api")
    assert related(database, api) == {(db, "dependency"), (mail, "dependent"), (again, "same")}
    assert related(database, db) == {(api, "dependent"), (again, "dependent")}
    assert related(database, other) == set()


def test_what_began_at_another_time_is_another_trouble(database: Database) -> None:
    first, second = opened(database, "api"), opened(database, "api")
    with database.writing() as session:
        session.get_one(IncidentRow, first).received_at -= WINDOW + timedelta(minutes=1)
    assert related(database, second) == set()
