"""The seed's incident as facts, for tests of what is made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.incident import Coverage, CoverageStatus, Fact
from shared.settings import Investigation
from worker.inquiry import CatalogMatch, Component, Scope
from worker.investigation import scope

ALERT_AT = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
WINDOW = scope.window(ALERT_AT, Investigation(), ALERT_AT + timedelta(minutes=2))

GUILTY = "a3f7c2d0c1b2a39485766758493a2b1c0d9e8f70"
INNOCENT = "b41c9e77aa0f4d2e8c6b5a493827161504f3e2d1"

INVOICE_API = Component(
    ref="component:default/invoice-api",
    name="invoice-api",
    kind="Component",
    description="Creates and serves invoices",
    tags=("dotnet",),
    annotations={"github.com/project-slug": "acme/invoice-api"},
    depends_on=("resource:default/invoice-db",),
    dependents=("component:default/notification-service",),
)
NOTIFICATIONS = Component(ref="component:default/notification-service", name="notification-service", kind="Component")
MATCH = CatalogMatch(component=INVOICE_API, how="its name", neighbours=(NOTIFICATIONS,))
SCOPE: Scope = scope.make("invoice-api", MATCH, WINDOW)


def at(minutes: float) -> datetime:
    """The moment that many minutes before the alert."""
    return ALERT_AT - timedelta(minutes=minutes)


def commit(
    number: str, sha: str, when: datetime, message: str, diff: str = "", *, path: str = "src/Db.cs", **more: Any
) -> Fact:
    """A commit's fact."""
    data = {"sha": sha, "message": message, "diff": diff, "files": [{"path": path, "added": 1, "removed": 1}], **more}
    text = f"commit {sha[:7]}: {message}\n{diff}"
    return Fact(id=number, source="changes.git", kind="commit", service="invoice-api", at=when, text=text, data=data)


def deploy(number: str, sha: str, when: datetime) -> Fact:
    """A deploy's fact."""
    text = f"deploy of invoice-api v1 (commit {sha[:7]})"
    data = {"commit": sha, "version": "v1"}
    return Fact(
        id=number, source="changes.deployments", kind="deploy", service="invoice-api", at=when, text=text, data=data
    )


def error(number: str, example: str, when: datetime, *, count: int = 12, baseline: int = 0) -> Fact:
    """An error signature's fact."""
    data = {"level": "error", "example": example, "baselineCount": baseline, "perMinute": {}}
    text = f"invoice-api error x{count}: {example}"
    return Fact(
        id=number,
        source="logs.files",
        kind="signature",
        service="invoice-api",
        at=when,
        text=text,
        count=count,
        data=data,
    )


def rule(number: str, text: str) -> Fact:
    """A heuristic's fact."""
    return Fact(id=number, source="heuristics.git", kind="heuristic", service="invoice-api", text=text)


SEED_FACTS: tuple[Fact, ...] = (
    commit(
        "F1",
        GUILTY,
        at(24),
        "refactor config to use Server= syntax",
        '-  "Host=10.0.1.5;Port=5432;Database=invoices"\n+  "Server=10.0.1.5;Port=5432;Database=invoices" // Npgsql',
    ),
    deploy("F2", GUILTY, at(4)),
    commit("F3", INNOCENT, at(10), "reword the readme", "-teh\n+the", path="README.md"),
    error("F4", "Npgsql.NpgsqlException (0x80004005): Failed to connect to 10.0.1.5:5432 Database invoices", at(3.8)),
    rule("F5", "Npgsql wants Host=, not Server=, in a Database connection string"),
    rule("F6", "Amounts are in cents"),
)
COVERAGE: tuple[Coverage, ...] = (
    Coverage(source="changes.git", status=CoverageStatus.OK, items=2),
    Coverage(source="logs.files", status=CoverageStatus.OK, items=1),
)
