"""What an attempt finds out, stage by stage. Each function is one transaction: the stage's result, the end of its work
and the beginning of the next stage's stand or fall together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import Executable, Table, Update, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from shared.database import Database, UtcDateTime
from shared.incident import Brief, BroughtContext, Coverage, Diagnosis, Fact, Link, Status, Usage
from shared.known_services import remember
from shared.moment import now
from shared.store import pushes
from shared.store.covering import awakened
from shared.store.work import Claim, complete, hold, new_work
from shared.tables import AlertRow, AttemptRow, CoverageRow, FactRow, IncidentRow


@dataclass(frozen=True, slots=True)
class Reported:
    """What is known of an incident before anything is gathered."""

    incident_id: str
    service: str
    entity_ref: str | None
    title: str
    severity: str
    started_at: datetime
    received_at: datetime
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    brought: BroughtContext | None = None


@dataclass(frozen=True, slots=True)
class AttemptState:
    """An attempt as far as it has got."""

    number: int
    scope: dict[str, Any] | None
    facts: tuple[Fact, ...]
    coverage: tuple[Coverage, ...]
    brief: Brief | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What the catalog stage hands on."""

    scope: dict[str, Any]
    service: str
    entity_ref: str | None
    facts: tuple[Fact, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    sources: tuple[str, ...] = ()
    """Sources to ask."""
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of an attempt."""

    diagnosis: Diagnosis
    analysis: str
    prompt: list[dict[str, str]] | None = None
    reply: str | None = None
    model: str | None = None
    usage: Usage = field(default_factory=Usage)
    recipients: tuple[str, ...] = ()
    """Who is to be told."""
    facts: tuple[Fact, ...] = ()
    """What the diagnosis rests on beyond what was gathered; numbered on from there."""


def reported(database: Database, incident_id: str) -> Reported:
    """What the alerts of the incident said. Raises sqlalchemy.exc.NoResultFound."""
    with database.reading() as session:
        row = session.get_one(IncidentRow, incident_id)
        remember(row.id, row.service)
        errors = session.scalars(
            select(AlertRow.errors)
            .where(AlertRow.incident_id == incident_id, AlertRow.errors.is_not(None))
            .order_by(AlertRow.received_at)
            .limit(20)
        ).all()
        return Reported(
            incident_id=row.id,
            service=row.service,
            entity_ref=row.entity_ref,
            title=row.title,
            severity=row.severity,
            started_at=row.started_at,
            received_at=row.received_at,
            labels=row.labels,
            annotations=row.annotations,
            errors=tuple(error for error in errors if error),
            brought=BroughtContext.model_validate(row.brought) if row.brought else None,
        )


def attempt_state(database: Database, incident_id: str, number: int) -> AttemptState:
    """Everything gathered so far. Raises sqlalchemy.exc.NoResultFound."""
    with database.reading() as session:
        attempt = session.get_one(AttemptRow, (incident_id, number))
        return AttemptState(
            number=number,
            scope=attempt.scope,
            facts=facts_of(session, incident_id, number),
            coverage=coverage_of(session, incident_id, number),
            brief=Brief.model_validate(attempt.brief) if attempt.brief else None,
        )


def begin(database: Database, claim: Claim) -> None:
    """Marks the attempt as under way. Raises Fenced: whoever took the work over may have ended the attempt."""
    with database.writing() as session:
        hold(session, claim)
        session.execute(_BEGUN, {**_key(claim), "moment": now()})
        _show(session, claim, status=Status.GATHERING)


def resolve(database: Database, claim: Claim, resolution: Resolution) -> tuple[str, ...]:
    """Stores the scope and opens the work of every source (of the diagnosis, when there is none to ask). Gives the ids
    of the work to publish. Raises Fenced.
    """
    moment = now()
    with database.writing() as session:
        complete(session, claim)
        add(session, claim, resolution.facts, resolution.coverage)
        sources = resolution.sources
        session.execute(_RESOLVED, {**_key(claim), "found": resolution.scope, "sources": len(sources)})
        before = session.scalar(_LINKS, {"incident": claim.incident_id}) or []
        links = {link["url"]: link for link in [*before, *(link.wire() for link in resolution.links)]}
        _show(
            session,
            claim,
            service=resolution.service,
            entity_ref=resolution.entity_ref,
            links=list(links.values()),
        )
        if not sources:
            return (_open_diagnosis(session, claim, moment),)
        key = (claim.incident_id, claim.attempt, "gather")
        return tuple(new_work(session, *key, source, moment=moment) for source in sources)


def gathered(database: Database, claim: Claim, facts: Sequence[Fact], coverage: Coverage) -> tuple[str, ...]:
    """Stores what one source found. The last source in opens the diagnosis: its work's id is given. Raises Fenced."""
    with database.writing() as session:
        # The attempt's row first: whoever stores at the same time waits here, so exactly one sees 0.
        left = session.execute(_ONE_LESS, _key(claim)).scalar_one()
        complete(session, claim)
        add(session, claim, facts, (coverage,))
        _show(session, claim)
        return (_open_diagnosis(session, claim, now()),) if left == 0 else ()


def brief_made(
    database: Database, incident_id: str, number: int, brief: Brief, recipients: Sequence[str] = ()
) -> tuple[str, ...] | None:
    """Stores a brief and opens its pushes, whose work's ids are given. None when the attempt is over or has a complete
    one already.
    """
    with database.writing() as session:
        key = {"incident": incident_id, "current": number}
        before = session.execute(_BRIEF, key).one_or_none()
        if before is None or (before.brief and before.brief.get("complete")):
            return None
        moment = now()
        made = {**key, "made": brief.wire(), "first": before.brief_at or moment}
        session.execute(_BRIEFED, {**made, "moment": moment if brief.complete else None})
        status = {"status": Status.DIAGNOSING} if brief.complete else {}
        _show_row(session, incident_id, **status)
        return pushes.open_briefs(session, incident_id, number, recipients, moment)


def without_brief(database: Database, older_than: datetime, limit: int = 200) -> list[tuple[str, int, datetime]]:
    """Attempts (incident, number, start) that have gathered since before `older_than` and have no brief yet."""
    with database.reading() as session:
        found = session.execute(_WITHOUT_BRIEF, {"moment": older_than, "most": limit})
        return [(incident_id, number, since) for incident_id, number, since in found]


def conclude(database: Database, claim: Claim, conclusion: Conclusion) -> tuple[str, ...]:
    """Stores the one diagnosis of the attempt and opens its pushes. Gives their work's ids, and those of whoever waited
    for the diagnosis. Raises Fenced.
    """
    moment = now()
    usage = conclusion.usage
    with database.writing() as session:
        complete(session, claim)
        add(session, claim, conclusion.facts, ())
        session.execute(
            _attempt(claim).values(
                diagnosis=conclusion.diagnosis.wire(),
                analysis=conclusion.analysis,
                prompt=conclusion.prompt,
                reply=conclusion.reply,
                model=conclusion.model,
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cached_tokens=usage.cached_tokens,
                cost_usd=usage.cost_usd,
                calls=usage.calls,
                finished_at=moment,
                outcome=Status.DONE,
            )
        )
        _show(session, claim, status=Status.DONE, finished_at=moment)
        opened = pushes.open_results(session, claim, conclusion.recipients, moment)
        return (*opened, *awakened(session, claim.incident_id))


def skip(
    database: Database,
    claim: Claim,
    detail: str,
    closest: Sequence[str],
    coverage: Sequence[Coverage],
    *,
    recipients: Sequence[str] = (),
) -> tuple[str, ...]:
    """Ends the attempt without an investigation, for a reason that the incident tells. Gives the ids of the work of its
    pushes and of whoever waited for its diagnosis. Raises Fenced.
    """
    return _end(database, claim, Status.SKIPPED, detail, recipients, closest=list(closest), coverage=coverage)


def fail(database: Database, claim: Claim, reason: str, recipients: Sequence[str] = ()) -> tuple[str, ...]:
    """Ends the attempt as failed; it can be asked for again. Gives the ids of the work of its pushes and of
    whoever waited for its diagnosis. Raises Fenced.
    """
    return _end(database, claim, Status.FAILED, reason, recipients)


def facts_of(session: Session, incident_id: str, number: int) -> tuple[Fact, ...]:
    """The attempt's facts, in order."""
    query = (
        select(FactRow).where(FactRow.incident_id == incident_id, FactRow.attempt == number).order_by(FactRow.number)
    )
    return tuple(
        Fact(
            id=f"F{row.number}",
            source=row.source,
            kind=row.kind,
            service=row.service,
            at=row.at,
            text=row.text,
            url=row.url,
            count=row.count,
            data=row.data,
        )
        for row in session.scalars(query)
    )


def coverage_of(session: Session, incident_id: str, number: int) -> tuple[Coverage, ...]:
    """The attempt's coverage lines, by source."""
    query = select(CoverageRow).where(CoverageRow.incident_id == incident_id, CoverageRow.attempt == number)
    return tuple(
        Coverage.model_validate(row, from_attributes=True)
        for row in session.scalars(query.order_by(CoverageRow.source))
    )


def _end(
    database: Database,
    claim: Claim,
    status: Status,
    detail: str,
    recipients: Sequence[str],
    *,
    closest: Sequence[str] = (),
    coverage: Sequence[Coverage] = (),
) -> tuple[str, ...]:
    moment = now()
    with database.writing() as session:
        complete(session, claim, error=detail if status == Status.FAILED else None)
        add(session, claim, (), coverage)
        session.execute(
            _attempt(claim)
            .where(AttemptRow.finished_at.is_(None))
            .values(finished_at=moment, outcome=status, error=detail if status == Status.FAILED else None)
        )
        _show(session, claim, status=status, finished_at=moment, detail=detail, closest=list(closest))
        opened = pushes.open_results(session, claim, recipients, moment)
        return (*opened, *awakened(session, claim.incident_id))


def _open_diagnosis(session: Session, claim: Claim, moment: datetime) -> str:
    session.execute(_ALL_IN, {**_key(claim), "moment": moment})
    return new_work(session, claim.incident_id, claim.attempt, "diagnose", moment=moment)


def add(session: Session, claim: Claim, facts: Sequence[Fact], coverage: Sequence[Coverage]) -> None:
    """Numbers and stores facts of the attempt, and its coverage lines."""
    if facts:
        last = session.execute(_MORE_FACTS, {**_key(claim), "facts": len(facts)}).scalar_one()
        first = last - len(facts) + 1
        session.execute(_FACT, [_fact_row(claim, number, fact) for number, fact in enumerate(facts, first)])
    # A source that was asked again after a crash has one line all the same: the last one.
    lines = [{**dict(line), "incident_id": claim.incident_id, "attempt": claim.attempt} for line in coverage]
    if lines:
        session.execute(_last_line(session.get_bind().dialect.name), lines)


def _fact_row(claim: Claim, number: int, fact: Fact) -> dict[str, Any]:
    return {
        "incident_id": claim.incident_id,
        "attempt": claim.attempt,
        "number": number,
        "source": fact.source,
        "kind": fact.kind,
        "service": fact.service,
        "at": fact.at,
        "text": fact.text,
        "url": fact.url,
        "count": fact.count,
        "data": fact.data,
    }


@cache
def _last_line(dialect: str) -> Executable:
    """Stores a coverage line in the place of the one before it."""
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = insert(_COVERAGE)
    changed = {column.name: statement.excluded[column.name] for column in _COVERAGE.c if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(_COVERAGE.primary_key), set_=changed)


# What every source and stage runs is built once: SQLAlchemy takes longer to build a statement than to run it.
_INCIDENTS, _ATTEMPTS, _FACTS, _COVERAGE = (
    cast("Table", row.__table__) for row in (IncidentRow, AttemptRow, FactRow, CoverageRow)
)
_OF_CLAIM: Final = update(_ATTEMPTS).where(
    _ATTEMPTS.c.incident_id == bindparam("incident"), _ATTEMPTS.c.number == bindparam("current")
)
_MOMENT: Final = bindparam("moment", type_=UtcDateTime)
_BEGUN: Final = _OF_CLAIM.where(_ATTEMPTS.c.started_at.is_(None)).values(started_at=_MOMENT)
_RESOLVED: Final = _OF_CLAIM.values(scope=bindparam("found"), pending_sources=bindparam("sources"))
_ONE_LESS: Final = _OF_CLAIM.values(pending_sources=_ATTEMPTS.c.pending_sources - 1).returning(
    _ATTEMPTS.c.pending_sources
)
_ALL_IN: Final = _OF_CLAIM.values(gathered_at=_MOMENT)
_MORE_FACTS: Final = _OF_CLAIM.values(fact_count=_ATTEMPTS.c.fact_count + bindparam("facts")).returning(
    _ATTEMPTS.c.fact_count
)
_FACT: Final = insert(_FACTS)
_BRIEF: Final = (
    select(_ATTEMPTS.c.brief, _ATTEMPTS.c.brief_at)
    .where(_ATTEMPTS.c.incident_id == bindparam("incident"), _ATTEMPTS.c.number == bindparam("current"))
    .where(_ATTEMPTS.c.finished_at.is_(None))
    .with_for_update()
)
_BRIEFED: Final = _OF_CLAIM.values(
    brief=bindparam("made"), brief_at=bindparam("first", type_=UtcDateTime), diagnosing_at=_MOMENT
)
_WITHOUT_BRIEF: Final = (
    select(_ATTEMPTS.c.incident_id, _ATTEMPTS.c.number, _ATTEMPTS.c.started_at)
    .where(_ATTEMPTS.c.finished_at.is_(None), _ATTEMPTS.c.brief_at.is_(None))
    .where(_ATTEMPTS.c.pending_sources > 0, _ATTEMPTS.c.started_at < _MOMENT)
    .order_by(_ATTEMPTS.c.started_at)
    .limit(bindparam("most"))
)
_LINKS: Final = select(_INCIDENTS.c.links).where(_INCIDENTS.c.id == bindparam("incident"))


def _key(claim: Claim) -> dict[str, Any]:
    """The attempt of a claim, for the statements above."""
    return {"incident": claim.incident_id, "current": claim.attempt}


def _attempt(claim: Claim) -> Any:
    return update(AttemptRow).where(AttemptRow.incident_id == claim.incident_id, AttemptRow.number == claim.attempt)


def _show(session: Session, claim: Claim, **values: Any) -> None:
    """Changes what the incident shows, unless a newer attempt has taken its place."""
    session.execute(_shown(tuple(values), of_attempt=True), {**_key(claim), **_new(values)})


def _show_row(session: Session, incident_id: str, **values: Any) -> None:
    session.execute(_shown(tuple(values), of_attempt=False), {"incident": incident_id, **_new(values)})


@cache
def _shown(names: tuple[str, ...], *, of_attempt: bool) -> Update:
    change = update(_INCIDENTS).where(_INCIDENTS.c.id == bindparam("incident"))
    if of_attempt:
        change = change.where(_INCIDENTS.c.attempt == bindparam("current"))
    changed = {name: bindparam(f"new_{name}", type_=_INCIDENTS.c[name].type) for name in names}
    return change.values(revision=_INCIDENTS.c.revision + 1, **changed)


def _new(values: dict[str, Any]) -> dict[str, Any]:
    return {f"new_{name}": value for name, value in values.items()}
