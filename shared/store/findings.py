"""What an attempt finds out, stage by stage. Each function is one transaction: the stage's result, the end of its work
and the beginning of the next stage's stand or fall together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, cast

from sqlalchemy import Table, Update, bindparam, case, func, select, update

from shared.database import Database, UtcDateTime
from shared.incident import Brief, Coverage, Fact, Link, Status
from shared.moment import now
from shared.store import pushes
from shared.store.beginnings import TOLD, Reported, told
from shared.store.work import Claim, GoingOn, completion, ids, next_rows, opening, possession
from shared.tables import UNDER_WAY, AttemptRow, CoverageRow, FactRow, IncidentRow, SignatureRow
from shared.transaction import Change, Insertion, Transaction


@dataclass(frozen=True, slots=True)
class AttemptState:
    """An attempt as far as it has got."""

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
class Recollection:
    """What is stored of looking for earlier incidents like this one."""

    line: Coverage
    facts: tuple[Fact, ...] = ()
    """What was found; numbered on from all that was gathered."""
    signatures: tuple[str, ...] = ()
    """Keys of what this incident showed itself, for those to come."""
    started_at: datetime | None = None
    """The incident's; there is one with signatures."""


def attempt_state(database: Database, incident_id: str, number: int) -> AttemptState:
    """Everything gathered so far. Raises sqlalchemy.exc.NoResultFound."""
    return so_far(database, incident_id, number)[1]


def so_far(database: Database, incident_id: str, number: int) -> tuple[Reported, AttemptState]:
    """What the alerts said, without their errors, and everything gathered so far. Raises
    sqlalchemy.exc.NoResultFound.
    """
    with database.looking() as look:
        scope, brief, *reported = look.one(_SO_FAR, {"incident": incident_id, "current": number})
        return told(tuple(reported)), AttemptState(
            scope=scope,
            facts=facts_of(look, incident_id, number),
            coverage=coverage_of(look, incident_id, number),
            brief=Brief.model_validate(brief) if brief else None,
        )


def resolve(
    database: Database, claim: Claim, resolution: Resolution, going_on: GoingOn | None = None
) -> tuple[str, ...]:
    """Stores the scope and opens the work of every source (of the diagnosis, when there is none to ask): to be
    published, or `going_on`. Gives its ids. Raises Fenced.
    """
    moment = now()
    sources = resolution.sources
    values = {
        **key_of(claim),
        "found": resolution.scope,
        "sources": len(sources),
        "facts": len(resolution.facts),
        "gathered": None if sources else moment,
    }
    shown: dict[str, Any] = {"service": resolution.service, "entity_ref": resolution.entity_ref}
    opened = next_rows(claim, "gather", sources, moment, going_on) if sources else _diagnosis(claim, moment, going_on)
    if resolution.links:
        shown["links"] = _with_links(database, claim, resolution.links)
    database.together(
        completion(claim),
        Change(_RESOLVED, values),
        _numbered(claim, len(resolution.facts), resolution.facts),  # an attempt's first
        lines(claim, resolution.coverage),
        showing(claim, **shown),
        opening(opened),
    )
    return ids(opened)


def _with_links(database: Database, claim: Claim, more: Sequence[Link]) -> list[Any]:
    with database.looking() as look:
        (before,) = look.one(_LINKS, {"incident": claim.incident_id})
    return list({link["url"]: link for link in [*before, *(link.wire() for link in more)]}.values())


def gathered(
    database: Database, claim: Claim, facts: Sequence[Fact], coverage: Coverage, going_on: GoingOn | None = None
) -> tuple[str, ...]:
    """Stores what one source found. The last source in opens the diagnosis, to be published or `going_on`: its work's
    id is given. Raises Fenced.
    """
    moment = now()
    with database.transaction() as transaction:
        # The attempt's row first: whoever stores at the same time waits here, so exactly one sees 0.
        values = {**key_of(claim), "facts": len(facts), "moment": moment}
        left, last = transaction.one(_ONE_LESS, values)
        opened = _diagnosis(claim, moment, going_on) if left == 0 else []
        transaction.together(
            completion(claim),
            _numbered(claim, last, facts),
            lines(claim, (coverage,)),
            showing(claim),
            opening(opened),
        )
    return ids(opened)


def early_brief(
    database: Database, incident_id: str, number: int, brief: Brief, recipients: Sequence[str] = ()
) -> tuple[str, ...] | None:
    """Stores a brief of what is there so far and opens its pushes, whose work's ids are given. None when the attempt is
    over or has the complete one already.
    """
    moment = now()
    with database.transaction() as transaction:
        key = {"incident": incident_id, "current": number}
        if not transaction.count(_BRIEFED_EARLY, {**key, "made": brief.wire(), "moment": moment}):
            return None
        transaction.count(_shown(()), key)
        return pushes.open_briefs(transaction, incident_id, number, recipients, moment)


def briefed(
    database: Database, claim: Claim, brief: Brief, recipients: Sequence[str], recollection: Recollection | None = None
) -> tuple[str, ...]:
    """Stores the brief of all that was gathered, with what it says of earlier incidents, and opens its pushes, whose
    work's ids are given: none, and nothing is stored, when whoever did this before has died later on. Raises Fenced.
    """
    moment = now()
    recalled = recollection.facts if recollection else ()
    values = {**key_of(claim), "made": brief.wire(), "moment": moment, "facts": len(recalled)}
    changes: tuple[Change | Insertion, ...] = (
        possession(claim),
        Change(_BRIEFED, values, otherwise=_BriefedBefore()),
        *(_recollected(claim, recollection) if recollection else ()),
        showing(claim, status=Status.DIAGNOSING),
    )
    try:
        if not recipients:
            database.together(*changes)
            return ()
        with database.transaction() as transaction:
            transaction.together(*changes)
            return pushes.open_briefs(transaction, claim.incident_id, claim.attempt, recipients, moment)
    except _BriefedBefore:
        return ()


class _BriefedBefore(Exception):
    """The attempt has the brief of all that was gathered."""


def without_brief(database: Database, older_than: datetime, limit: int = 200) -> list[tuple[str, int, datetime]]:
    """Attempts (incident, number, start) that have gathered since before `older_than` and have no brief yet."""
    with database.looking() as look:
        found = look.rows(_WITHOUT_BRIEF, {"moment": older_than, "most": limit})
        return [(incident_id, number, since) for incident_id, number, since in found]


def facts_of(look: Transaction, incident_id: str, number: int) -> tuple[Fact, ...]:
    """The attempt's facts, in order."""
    found = look.rows(_FACTS_OF, {"incident": incident_id, "current": number})
    return tuple(Fact(id=f"F{row[0]}", **dict(zip(_TOLD_OF_FACTS, row[1:], strict=True))) for row in found)


def coverage_of(look: Transaction, incident_id: str, number: int) -> tuple[Coverage, ...]:
    """The attempt's coverage lines, by source."""
    found = look.rows(_COVERAGE_OF, {"incident": incident_id, "current": number})
    return tuple(Coverage(**dict(zip(_TOLD_OF_COVERAGE, row, strict=True))) for row in found)


def add(transaction: Transaction, claim: Claim, facts: Sequence[Fact]) -> None:
    """Numbers and stores facts of the attempt."""
    if facts:
        (last,) = transaction.one(_MORE_FACTS, {**key_of(claim), "facts": len(facts)})
        transaction.together(_numbered(claim, last, facts))


def key_of(claim: Claim) -> dict[str, Any]:
    """The attempt of a claim, for the statements below."""
    return {"incident": claim.incident_id, "current": claim.attempt}


def showing(claim: Claim, **values: Any) -> Change:
    """What the incident shows, unless a newer attempt has taken its place."""
    new = {f"new_{name}": value for name, value in values.items()}
    return Change(_shown(tuple(values)), {**key_of(claim), **new})


def lines(claim: Claim, coverage: Sequence[Coverage]) -> Insertion:
    """Coverage lines of the attempt. A source that was asked again after a crash has one all the same: the last one."""
    attempt = {"incident_id": claim.incident_id, "attempt": claim.attempt}
    return Insertion(CoverageRow, [{**attempt, **dict(line)} for line in coverage], "replaced")


def _numbered(claim: Claim, last: int, facts: Sequence[Fact]) -> Insertion:
    """Facts of the attempt, the last of them with that number."""
    attempt = {"incident_id": claim.incident_id, "attempt": claim.attempt}
    rows = [
        {**attempt, "number": number, **{name: getattr(fact, name) for name in _TOLD_OF_FACTS}}
        for number, fact in enumerate(facts, last - len(facts) + 1)
    ]
    return Insertion(FactRow, rows)


def _recollected(claim: Claim, recollection: Recollection) -> tuple[Insertion, ...]:
    last = int(recollection.facts[-1].id[1:]) if recollection.facts else 0
    signature = {"incident_id": claim.incident_id, "started_at": recollection.started_at}
    keys = Insertion(SignatureRow, [{**signature, "key": key} for key in recollection.signatures], "kept")
    return _numbered(claim, last, recollection.facts), lines(claim, (recollection.line,)), keys


def _diagnosis(claim: Claim, moment: datetime, going_on: GoingOn | None) -> list[dict[str, Any]]:
    return next_rows(claim, "diagnose", ("",), moment, GoingOn() if going_on else None)


# Built once: SQLAlchemy takes longer to build a statement than to run it.
_INCIDENTS, ATTEMPTS, _FACTS, _COVERAGE = (
    cast("Table", row.__table__) for row in (IncidentRow, AttemptRow, FactRow, CoverageRow)
)
_OF: Final = ATTEMPTS.c.incident_id == bindparam("incident"), ATTEMPTS.c.number == bindparam("current")
OF_ATTEMPT: Final = update(ATTEMPTS).where(*_OF)
"""The row of an attempt, by `key_of`."""
_MOMENT: Final = bindparam("moment", type_=UtcDateTime)
_WITH_FACTS: Final = ATTEMPTS.c.fact_count + bindparam("facts")
_SO_FAR: Final = (
    select(ATTEMPTS.c.scope, ATTEMPTS.c.brief, *TOLD)
    .join_from(ATTEMPTS, _INCIDENTS, _INCIDENTS.c.id == ATTEMPTS.c.incident_id)
    .where(*_OF)
)
_RESOLVED: Final = OF_ATTEMPT.values(
    scope=bindparam("found"),
    pending_sources=bindparam("sources"),
    fact_count=bindparam("facts"),
    gathered_at=bindparam("gathered", type_=UtcDateTime),
)
_ONE_LESS: Final = OF_ATTEMPT.values(
    pending_sources=ATTEMPTS.c.pending_sources - 1,
    fact_count=_WITH_FACTS,
    gathered_at=case((ATTEMPTS.c.pending_sources == 1, _MOMENT), else_=ATTEMPTS.c.gathered_at),
).returning(ATTEMPTS.c.pending_sources, ATTEMPTS.c.fact_count)
_MORE_FACTS: Final = OF_ATTEMPT.values(fact_count=_WITH_FACTS).returning(ATTEMPTS.c.fact_count)
_WITHOUT_COMPLETE_BRIEF: Final = OF_ATTEMPT.where(
    ATTEMPTS.c.finished_at.is_(None), ATTEMPTS.c.diagnosing_at.is_(None)
).values(brief=bindparam("made"), brief_at=func.coalesce(ATTEMPTS.c.brief_at, _MOMENT))
_BRIEFED_EARLY: Final = _WITHOUT_COMPLETE_BRIEF
_BRIEFED: Final = _WITHOUT_COMPLETE_BRIEF.values(diagnosing_at=_MOMENT, fact_count=_WITH_FACTS)
_WITHOUT_BRIEF: Final = (
    select(ATTEMPTS.c.incident_id, ATTEMPTS.c.number, ATTEMPTS.c.started_at)
    .where(UNDER_WAY, ATTEMPTS.c.brief_at.is_(None))
    .where(ATTEMPTS.c.pending_sources > 0, ATTEMPTS.c.started_at < _MOMENT)
    .order_by(ATTEMPTS.c.started_at)
    .limit(bindparam("most"))
)
_LINKS: Final = select(_INCIDENTS.c.links).where(_INCIDENTS.c.id == bindparam("incident"))
_TOLD_OF_FACTS: Final = ("source", "kind", "service", "at", "text", "url", "count", "data")
_FACTS_OF: Final = (
    select(_FACTS.c.number, *(_FACTS.c[name] for name in _TOLD_OF_FACTS))
    .where(_FACTS.c.incident_id == bindparam("incident"), _FACTS.c.attempt == bindparam("current"))
    .order_by(_FACTS.c.number)
)
_TOLD_OF_COVERAGE: Final = ("source", "status", "millis", "items", "detail")
_COVERAGE_OF: Final = (
    select(*(_COVERAGE.c[name] for name in _TOLD_OF_COVERAGE))
    .where(_COVERAGE.c.incident_id == bindparam("incident"), _COVERAGE.c.attempt == bindparam("current"))
    .order_by(_COVERAGE.c.source)
)


@cache
def _shown(names: tuple[str, ...]) -> Update:
    changed = {name: bindparam(f"new_{name}", type_=_INCIDENTS.c[name].type) for name in names}
    return (
        update(_INCIDENTS)
        .where(_INCIDENTS.c.id == bindparam("incident"), _INCIDENTS.c.attempt == bindparam("current"))
        .values(revision=_INCIDENTS.c.revision + 1, **changed)
    )
