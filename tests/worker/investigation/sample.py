"""A case as it stands before the model is asked: a changed connection string, found by nobody at 3:12."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.incident import Brief, Coverage, CoverageStatus, Fact, MatchedHeuristic, Signature, SimilarIncident, Suspect
from worker.inquiry import Component, Scope, Target, Window
from worker.investigation.case import Case

AT = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
SHA = "a3f7c2d9e1b04c5f8a6d7e2b3c4d5e6f7a8b9c0d"
OTHER_SHA = "b41d09e7c2a35f6081d4e7b9a0c3f6d2e5b8a1c4"

SERVICE = Component(
    ref="component:default/invoice-api",
    name="invoice-api",
    kind="Component",
    description="Creates and sends invoices",
    depends_on=("resource:default/invoice-db",),
    dependents=("component:default/notification-service", "component:default/billing-portal"),
)
NEIGHBOURS = (
    Component(ref="resource:default/invoice-db", name="invoice-db", kind="Resource"),
    Component(ref="component:default/notification-service", name="notification-service", kind="Component"),
)
SCOPE = Scope(
    targets=(
        Target(service="invoice-api", role="alerted", ref=SERVICE.ref),
        Target(service="invoice-db", role="dependency", ref="resource:default/invoice-db"),
    ),
    window=Window(
        alert_at=AT,
        changes_since=AT - timedelta(hours=48),
        baseline_since=AT - timedelta(minutes=90),
        logs_since=AT - timedelta(minutes=30),
        until=AT + timedelta(minutes=5),
    ),
    component=SERVICE,
    neighbours=NEIGHBOURS,
)

FACTS = (
    Fact(
        id="F1",
        source="catalog",
        kind="service",
        service="invoice-api",
        text="Component invoice-api: Creates and sends invoices; depends on: resource:default/invoice-db",
    ),
    Fact(
        id="F2",
        source="changes.git",
        kind="commit",
        service="invoice-api",
        at=AT - timedelta(minutes=20),
        text=(
            "commit a3f7c2d at 2026-11-23T02:52:00Z by Dev: refactor config to use Server= syntax\n"
            "files: appsettings.json (+1 -1)\n"
            "--- a/appsettings.json\n+++ b/appsettings.json\n"
            '-    "Invoices": "Host=invoice-db;Port=5432"\n+    "Invoices": "Server=invoice-db;Port=5432"'
        ),
        data={"sha": SHA, "message": "refactor config to use Server= syntax"},
    ),
    Fact(
        id="F3",
        source="changes.git",
        kind="commit",
        service="invoice-db",
        at=AT - timedelta(hours=5),
        text="commit b41d09e at 2026-11-22T22:12:00Z by Ops: raise max_connections to 200",
        data={"sha": OTHER_SHA, "message": "raise max_connections to 200"},
    ),
    Fact(
        id="F4",
        source="changes.deployments",
        kind="deploy",
        service="invoice-api",
        at=AT - timedelta(minutes=4),
        text="deploy of invoice-api 2.4.1 (commit a3f7c2d) to production at 2026-11-23T03:08:00Z",
        data={"version": "2.4.1", "commit": "a3f7c2d"},
    ),
    Fact(
        id="F5",
        source="logs.loki",
        kind="signature",
        service="invoice-api",
        at=AT - timedelta(minutes=4),
        text=(
            "invoice-api error x214, 2026-11-23T03:08:11Z to 2026-11-23T03:12:40Z, 0 in the window before: "
            "Npgsql.NpgsqlException: Failed to connect to 10.0.1.5:5432\n"
            "   at Npgsql.Internal.NpgsqlConnector.Connect()"
        ),
        count=214,
        data={"level": "error", "baselineCount": 0},
    ),
    Fact(
        id="F6",
        source="logs.loki",
        kind="signature",
        service="invoice-api",
        text="invoice-api warning x3, 5 in the window before: slow request",
        count=3,
        data={"level": "warning", "baselineCount": 5},
    ),
    Fact(
        id="F8",
        source="incidents.whydown",
        kind="similar",
        service="invoice-api",
        text=(
            "earlier incident of invoice-api that began 2026-10-14T03:12:00Z: invoice-api is down\n"
            "it showed 1 of the 1 error signatures seen now (F5)\n"
            "fixed by, as people tell it: reverted the config"
        ),
        count=1,
    ),
    Fact(
        id="F7",
        source="heuristics.git",
        kind="heuristic",
        service="invoice-api",
        text="No secrets in code: the connection string comes from DB_CONNECTION and uses Host=",
    ),
)

COVERAGE = (
    Coverage(source="catalog", status=CoverageStatus.OK, millis=40, items=4),
    Coverage(source="changes.git", status=CoverageStatus.OK, millis=120, items=2),
    Coverage(source="changes.deployments", status=CoverageStatus.OK, millis=3, items=1),
    Coverage(source="heuristics.git", status=CoverageStatus.OK, millis=9, items=1),
    Coverage(source="logs.alert", status=CoverageStatus.OK, millis=1, items=1),
    Coverage(source="logs.loki", status=CoverageStatus.TIMEOUT, millis=10_004, detail="<html>gateway</html>"),
)

BRIEF = Brief(
    onset=AT - timedelta(minutes=4),
    onset_reason="the first error that the window before did not have (F5)",
    summary="Likeliest cause: commit a3f7c2d “refactor config to use Server= syntax” in invoice-api.",
    suspects=(
        Suspect(
            kind="commit",
            id=SHA,
            service="invoice-api",
            score=0.82,
            reasons=(
                "it changed the alerted service itself",
                "deployed at 2026-11-23T03:08:00Z, 0 min before the onset",
            ),
            facts=("F2", "F4"),
        ),
    ),
    verdict="change",
    signatures=(
        Signature(service="invoice-api", level="error", text="Failed to connect", count=214, fact="F5"),
        Signature(service="invoice-api", level="warning", text="slow request", count=3, baseline_count=5, fact="F6"),
    ),
    heuristics=(
        MatchedHeuristic(
            text="No secrets in code: the connection string comes from DB_CONNECTION and uses Host=",
            words=("connection", "host"),
            fact="F7",
        ),
    ),
    similar=(
        SimilarIncident(
            id="inc1",
            at=AT - timedelta(days=40),
            service="invoice-api",
            verdict="right",
            fixed_by="reverted the config",
            signatures=("F5",),
            fact="F8",
        ),
    ),
)


def case(**changed: Any) -> Case:
    """The case, with the given fields replaced."""
    fields: dict[str, Any] = {
        "service": "invoice-api",
        "entity_ref": SERVICE.ref,
        "title": "invoice-api: error rate above 5 %",
        "severity": "critical",
        "started_at": AT,
        "scope": SCOPE,
        "facts": FACTS,
        "coverage": COVERAGE,
        "brief": BRIEF,
    }
    return Case(**{**fields, **changed})


def with_text(fact_id: str, text: str) -> Case:
    """The case with one fact's text replaced."""
    return case(facts=tuple(fact.model_copy(update={"text": text}) if fact.id == fact_id else fact for fact in FACTS))
