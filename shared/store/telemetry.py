"""How the installation is doing, in figures that the database knows: for GET /metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, case, cast, extract, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from shared.database import Database
from shared.incident import CoverageStatus, Status
from shared.moment import now
from shared.store import admission
from shared.tables import (
    IN_HAND,
    IS_PUSH,
    WAITS,
    AttemptRow,
    CoverageRow,
    IncidentRow,
    ModelCallRow,
    WorkRow,
)

BRIEF_BUCKETS: Final = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Seconds; 2 is what is promised."""
DIAGNOSIS_BUCKETS: Final = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0)

LATELY: Final = timedelta(hours=1)
"""Sources are told of this span: all that they ever did would be too much to count for each scrape."""


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took, as a histogram."""

    at_most: Mapping[float, int]
    """How many took at most so many seconds."""
    count: int
    seconds: float
    """All together."""


@dataclass(frozen=True, slots=True)
class SourceLately:
    """What came of asking one source within LATELY."""

    source: str
    asked: Mapping[str, int]
    """By coverage status."""
    mean_seconds: float | None
    longest_seconds: float | None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """All calls of one model."""

    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The figures of one moment."""

    incidents: Mapping[str, int]
    """By status."""
    waiting: int
    """Incidents whose turn has not come."""
    oldest_waiting_seconds: float
    under_way: int
    brief: Durations
    """From the alert to the first brief."""
    diagnosis: Durations
    """From the alert to the stored diagnosis."""
    diagnosed_by: Mapping[str, int]
    """By stage: `model` or `brief`."""
    work: Mapping[tuple[str, str], int]
    """Pieces of work that are not over, by kind and state."""
    deliveries: Mapping[str, int]
    """Pushes: `waiting`, `delivered` or `dead`."""
    sources: Sequence[SourceLately] = ()
    models: Sequence[ModelUse] = field(default_factory=tuple)


def measure(database: Database) -> Telemetry:
    """The figures as they stand. A few aggregates over indexes, and two over all attempts that are kept."""
    moment = now()
    with database.reading() as session:
        backlog = admission.backlog(session)
        return Telemetry(
            incidents={str(status): 0 for status in Status} | _counted(session, IncidentRow.status),
            waiting=backlog.count,
            oldest_waiting_seconds=(moment - backlog.since).total_seconds() if backlog.since else 0.0,
            under_way=_under_way(session),
            brief=_durations(session, database, AttemptRow.brief_at, BRIEF_BUCKETS),
            diagnosis=_durations(session, database, AttemptRow.finished_at, DIAGNOSIS_BUCKETS),
            diagnosed_by=_diagnosed_by(session),
            work=_open_work(session),
            deliveries=_deliveries(session),
            sources=_sources(session, moment - LATELY),
            models=_models(session),
        )


def under_way(database: Database) -> int:
    """How many attempts were admitted and are not over."""
    with database.reading() as session:
        return _under_way(session)


def _under_way(session: Session) -> int:
    return session.scalar(admission.COUNT_UNDER_WAY) or 0


def _counted(session: Session, column: InstrumentedAttribute[str]) -> dict[str, int]:
    counted = session.execute(select(column, func.count()).group_by(column))
    return {row[0]: row[1] for row in counted}


def _durations(
    session: Session, database: Database, end: InstrumentedAttribute[datetime | None], buckets: Sequence[float]
) -> Durations:
    seconds = _seconds(database, AttemptRow.created_at, end)
    counts = [func.coalesce(func.sum(case((seconds <= bound, 1), else_=0)), 0) for bound in buckets]
    query = select(func.count(), func.coalesce(func.sum(seconds), 0.0), *counts).where(
        end.is_not(None), AttemptRow.outcome.is_(None) | (AttemptRow.outcome == Status.DONE)
    )
    count, total, *within = session.execute(query).one()
    return Durations({bound: int(each) for bound, each in zip(buckets, within, strict=True)}, count, float(total))


def _seconds(database: Database, begin: ColumnElement[Any] | Any, end: Any) -> ColumnElement[float]:
    if database.is_sqlite:
        return cast((func.julianday(end) - func.julianday(begin)) * 86_400.0, Float)
    return cast(extract("epoch", end - begin), Float)


def _diagnosed_by(session: Session) -> dict[str, int]:
    by_model = select(func.count()).where(AttemptRow.outcome == Status.DONE, AttemptRow.model.is_not(None))
    done = session.scalar(select(func.count()).where(AttemptRow.outcome == Status.DONE)) or 0
    model = session.scalar(by_model) or 0
    return {"model": model, "brief": done - model}


def _open_work(session: Session) -> dict[tuple[str, str], int]:
    counted = select(WorkRow.kind, WorkRow.state, func.count()).group_by(WorkRow.kind, WorkRow.state)
    found = (row for condition in (WAITS, IN_HAND) for row in session.execute(counted.where(condition)))
    return {(kind, state): count for kind, state, count in found}


def _deliveries(session: Session) -> dict[str, int]:
    dead = case((WorkRow.error.is_(None), "delivered"), else_="dead")
    outcome = case((WorkRow.state == "done", dead), else_="waiting")
    query = (
        select(outcome, func.count())
        .where(IS_PUSH, WorkRow.state.in_(("pending", "running", "done")))
        .group_by(outcome)
    )
    counted = {str(name): count for name, count in session.execute(query)}
    return {name: counted.get(name, 0) for name in ("waiting", "delivered", "dead")}


def _sources(session: Session, since: datetime) -> list[SourceLately]:
    query = (
        select(
            CoverageRow.source,
            CoverageRow.status,
            func.count(),
            func.sum(CoverageRow.millis),
            func.max(CoverageRow.millis),
            func.count(CoverageRow.millis),
        )
        .join(
            AttemptRow, (AttemptRow.incident_id == CoverageRow.incident_id) & (AttemptRow.number == CoverageRow.attempt)
        )
        .where(AttemptRow.finished_at >= since, CoverageRow.status != CoverageStatus.NOT_CONFIGURED)
        .group_by(CoverageRow.source, CoverageRow.status)
        .order_by(CoverageRow.source)
    )
    outcomes: dict[str, list[Any]] = {}
    for source, *figures in session.execute(query):
        outcomes.setdefault(source, []).append(figures)
    return [_source(source, rows) for source, rows in outcomes.items()]


def _source(source: str, outcomes: Sequence[Any]) -> SourceLately:
    """From (status, how many, all their milliseconds, the longest, how many were timed) of each outcome."""
    timed = sum(many for *_, many in outcomes)
    total = sum(int(millis or 0) for _, _, millis, _, _ in outcomes)
    longest = [most for *_, most, _ in outcomes if most is not None]
    return SourceLately(
        source,
        {status: count for status, count, *_ in outcomes},
        total / timed / 1000 if timed else None,
        max(longest) / 1000 if longest else None,
    )


def _models(session: Session) -> list[ModelUse]:
    query = (
        select(
            ModelCallRow.provider,
            ModelCallRow.model,
            func.count(),
            func.sum(ModelCallRow.input_tokens),
            func.sum(ModelCallRow.output_tokens),
            func.sum(ModelCallRow.cached_tokens),
            func.sum(ModelCallRow.cost_usd),
        )
        .group_by(ModelCallRow.provider, ModelCallRow.model)
        .order_by(ModelCallRow.provider, ModelCallRow.model)
    )
    return [
        ModelUse(provider, model, calls, int(given), int(taken), int(cached), None if cost is None else float(cost))
        for provider, model, calls, given, taken, cached, cost in session.execute(query)
    ]
