"""Incidents as an investigation leaves them, written by hand, in every state that a page must show."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shared.incident import (
    Attempt,
    Brief,
    Citation,
    Coverage,
    CoverageStatus,
    Diagnosis,
    Evidence,
    Fact,
    Incident,
    IncidentSummary,
    Link,
    MatchedHeuristic,
    ProbableCause,
    ProducedBy,
    RelatedService,
    Status,
    SuggestedAction,
    Suspect,
    Timings,
    Usage,
)
from shared.moment import parse_time

SHA = "4f2c9e1b7a6d53f0c8e2a9b4d1706f3e5c8b2a90"


def at(clock: str) -> datetime:
    """That time on the night of the incident."""
    moment = parse_time(f"2026-11-23T{clock}Z")
    assert moment is not None
    return moment


NOW = at("03:31:20")

FACTS = (
    Fact(
        id="F1",
        source="catalog.files",
        kind="service",
        service="invoice-api",
        text="invoice-api: Makes invoices from orders. Owner team-billing, production, depends on postgres and "
        "customer-api.",
    ),
    Fact(
        id="F2",
        source="changes.git",
        kind="commit",
        service="invoice-api",
        at=at("02:41:07"),
        text="4f2c9e1 Reduce connection pool to save memory\n src/InvoiceApi/appsettings.json | 2 +-",
        url=f"https://github.com/acme/invoice-api/commit/{SHA}",
    ),
    Fact(
        id="F3",
        source="changes.reported",
        kind="deploy",
        service="invoice-api",
        at=at("02:58:31"),
        text="invoice-api 2.14.0 deployed to production by deploy-bot",
        url="https://ci.example.com/runs/812",
    ),
    Fact(
        id="F4",
        source="logs.loki",
        kind="signature",
        service="invoice-api",
        at=at("03:10:12"),
        text="ERROR Npgsql.NpgsqlException: The connection pool has been exhausted, either raise 'Max Pool Size' "
        "(currently <n>) or 'Timeout' (currently <n> seconds)",
        count=412,
    ),
    Fact(
        id="F5",
        source="changes.git",
        kind="heuristic",
        service="invoice-api",
        text="GOTCHA.md: Month-end runs open 20 connections at once. The pool must hold at least 25.",
    ),
    Fact(
        id="F6",
        source="logs.loki",
        kind="signature",
        service="customer-api",
        at=at("03:14:40"),
        text="WARN upstream invoice-api answered <n> after <n> ms",
        count=38,
    ),
)

COVERAGE = (
    Coverage(source="catalog.files", status=CoverageStatus.OK, millis=12, items=3),
    Coverage(source="changes.git", status=CoverageStatus.OK, millis=340, items=14, detail="14 commits in 48 h"),
    Coverage(source="changes.github", status=CoverageStatus.NOT_CONFIGURED, detail="set GITHUB_TOKEN"),
    Coverage(source="logs.loki", status=CoverageStatus.OK, millis=1840, items=2, detail="450 lines, 2 signatures"),
    Coverage(source="metrics.prometheus", status=CoverageStatus.TIMEOUT, millis=10_000, detail="no answer within 10 s"),
)

BRIEF = Brief(
    onset=at("03:09:50"),
    onset_reason="Connection pool errors rose from 0 to 40 a minute",
    summary="Errors began 11 minutes after invoice-api 2.14.0 was deployed; commit 4f2c9e1 shrank the connection pool.",
    verdict="change",
    suspects=(
        Suspect(
            kind="commit",
            id=SHA,
            service="invoice-api",
            score=0.91,
            reasons=(
                "touches the connection pool, which the errors name",
                "went out with 2.14.0, 11 min before the onset",
                "a rule in GOTCHA.md speaks of the pool",
            ),
            facts=("F2", "F4", "F5"),
        ),
        Suspect(
            kind="deploy",
            id="2.14.0",
            service="invoice-api",
            score=0.74,
            reasons=("11 min before the onset",),
            facts=("F3",),
        ),
    ),
    heuristics=(
        MatchedHeuristic(
            text="Month-end runs open 20 connections at once. The pool must hold at least 25.",
            words=("pool", "connections"),
            fact="F5",
        ),
    ),
)

DIAGNOSIS = Diagnosis(
    probable_cause=ProbableCause(
        statement="Release 2.14.0 cut the PostgreSQL connection pool from 50 to 5, and the month-end run exhausts it.",
        confidence=0.86,
        citations=(Citation(fact="F4", quote="The connection pool has been exhausted", verified=True),),
    ),
    evidence=(
        Evidence(
            statement="The pool was reduced half an hour before the alert.",
            fact="F2",
            quote="Reduce connection pool to save memory",
            verified=True,
        ),
        Evidence(
            statement="A rule of this service asks for at least 25 connections.",
            fact="F5",
            quote="The pool must hold at least 25",
            verified=True,
        ),
        Evidence(statement="Memory ran out first.", fact="F6", quote="out of memory", verified=False),
    ),
    suggested_actions=(
        SuggestedAction(
            kind="immediate",
            text="Roll invoice-api back to 2.13.2.",
            command="kubectl rollout undo deployment/invoice-api --namespace billing",
        ),
        SuggestedAction(
            kind="verify",
            text="Watch the pool errors end.",
            command="""logcli query '{service_name="invoice-api"} |= "pool has been exhausted"' --since=10m""",
        ),
        SuggestedAction(kind="afterFix", text="Set Max Pool Size to at least 25 and add a test for the month-end run."),
    ),
    related_services=(
        RelatedService(service="customer-api", reason="Calls invoice-api and waits for it.", in_catalog=True),
        RelatedService(service="ledger", reason="Reads invoices at month end.", in_catalog=False),
    ),
    suspect_change=SHA,
    missing_data=("CPU and memory of invoice-api: no metrics source answered",),
    produced_by=ProducedBy(stage="model", provider="openai", model="mistral-small-3.2-24b-instruct"),
)

ANALYSIS = "## Probable cause\n\nRelease 2.14.0 cut the connection pool.\n"


def incident(status: Status = Status.DONE, **changes: Any) -> Incident:
    """The incident in that state; `changes` replace its fields."""
    done = status is Status.DONE
    values: dict[str, Any] = {
        "id": "k7m2qz4fd3x5",
        "status": status,
        "service": "invoice-api",
        "entity_ref": "component:default/invoice-api",
        "title": "High error rate on POST /invoices",
        "severity": "critical",
        "started_at": at("03:12:00"),
        "received_at": at("03:12:31"),
        "last_seen_at": at("03:12:31"),
        "finished_at": at("03:12:46") if status.finished else None,
        "fire_count": 3,
        "sender": "alertmanager",
        "labels": {"alertname": "HighErrorRate", "service": "invoice-api", "namespace": "billing"},
        "links": (Link(title="Runbook", url="https://wiki.example.com/runbooks/invoice-api"),),
        "facts": FACTS if status in (Status.DONE, Status.DIAGNOSING) else (),
        "coverage": COVERAGE if status in (Status.DONE, Status.DIAGNOSING) else COVERAGE[:1],
        "brief": BRIEF if status in (Status.DONE, Status.DIAGNOSING) else None,
        "diagnosis": DIAGNOSIS if done else None,
        "analysis": ANALYSIS if done else None,
        "cause": DIAGNOSIS.probable_cause.statement if done else None,
        "usage": Usage(input_tokens=3412, output_tokens=512, cost_usd=0.0042, calls=1) if done else Usage(),
        "timings": Timings(queued_ms=40, brief_ms=2130, model_ms=11_800, total_ms=14_900) if done else Timings(),
        "attempts": (Attempt(number=1, started_at=at("03:12:31")),),
    }
    return Incident(**(values | changes))


def summary(minutes_ago: int, **changes: Any) -> IncidentSummary:
    """A line of the list."""
    values = incident(started_at=NOW - timedelta(minutes=minutes_ago), **changes).model_dump()
    return IncidentSummary(**values)
