"""The signatures of every incident, by key: what was seen before, and what became of it then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam, select, text, tuple_, union
from sqlalchemy.orm import Session

from shared.database import Database, UtcDateTime, insert_unless_there
from shared.incident import Coverage, Fact, Feedback, Status
from shared.recurrence import Outcome, Past, Sighting
from shared.store.feedback import feedback_of
from shared.store.findings import add
from shared.store.related import WINDOW
from shared.store.work import Claim
from shared.tables import AttemptRow, FactRow, FeedbackRow, IncidentRow, SignatureRow

MOST_SIGHTINGS: Final = 300
"""Of each signature, the latest; and as many of the latest incidents count for its rarity."""

MOST_JUDGED: Final = 200
"""The latest judgements that are looked through for incidents about the same time."""

LOOK_SECONDS: Final = 1
"""The brief does not wait longer for this, where the database can be told so."""


def seen_before(database: Database, incident_id: str, keys: Collection[str]) -> Past:
    """Where the signatures were seen before this incident. What began about the same time is no earlier incident but
    the same storm, unless it was over when this one came or somebody judged it already.
    """
    if not keys:
        return Past()
    with database.reading() as session:
        if not database.is_sqlite:  # which waits for no lock when it reads
            session.execute(text(f"SET LOCAL statement_timeout = {LOOK_SECONDS * 1000}"))
        started_at, received_at = session.execute(_TIMES, {"mine": incident_id}).one()
        values = {
            **{f"key_{number}": key for number, key in enumerate(keys)},
            "keys": list(keys),
            "mine": incident_id,
            "received": received_at,
            "earlier": started_at - WINDOW,
            "later": started_at + WINDOW,
        }
        sightings = tuple(Sighting(*row) for row in session.execute(_seen(len(keys)), values))
        starts = session.scalars(_LATELY_DONE).all()
        return Past(sightings, len(starts), min(starts, default=None))


def outcomes(database: Database, groups: Sequence[Sequence[str]]) -> list[Outcome]:
    """What became of the most telling incident of each group: the latest of which somebody said what it was or what
    fixed it, else the latest judged, else the latest. Each group is newest first.
    """
    if not groups:
        return []
    with database.reading() as session:
        said = feedback_of(session, {incident_id for group in groups for incident_id in group})
        chosen = [_most_telling(group, said) for group in groups]
        rows = {row.id: row for row in session.scalars(select(IncidentRow).where(IncidentRow.id.in_(chosen)))}
        judged = {row.id: said[row.id].attempt if row.id in said else row.attempt for row in rows.values()}
        diagnoses = _diagnoses(session, judged)
        return [_outcome(rows[each], diagnoses.get(each), said.get(each)) for each in chosen]


def remember(database: Database, claim: Claim, keys: Collection[str], facts: Sequence[Fact], line: Coverage) -> None:
    """Stores the incident's own signatures, and once for each attempt what was found about earlier incidents."""
    with database.writing() as session:
        attempt = {"mine": claim.incident_id, "current": claim.attempt}
        if session.scalar(_UNDER_WAY, attempt) is None:
            return
        started_at, _ = session.execute(_TIMES, attempt).one()
        for key in keys:
            values = {"incident_id": claim.incident_id, "key": key, "started_at": started_at}
            insert_unless_there(session, SignatureRow, values)
        told = session.scalar(_TOLD, {**attempt, "source": line.source})
        if told is None:  # else whoever did this before died later on: its facts keep their numbers
            add(session, claim, facts, (line,))


# Built once, for so many keys: SQLAlchemy takes longer to build these statements than to run them.
_EARLIER, _LATER, _RECEIVED = (bindparam(name, type_=UtcDateTime) for name in ("earlier", "later", "received"))
_MINE: Final[BindParameter[str]] = bindparam("mine")
_TIMES: Final = select(IncidentRow.started_at, IncidentRow.received_at).where(IncidentRow.id == _MINE)
_CURRENT: Final[BindParameter[int]] = bindparam("current")
_UNDER_WAY: Final = (
    select(AttemptRow.number)
    .where(AttemptRow.incident_id == _MINE, AttemptRow.number == _CURRENT, AttemptRow.finished_at.is_(None))
    .with_for_update()
)
_TOLD: Final = (
    select(FactRow.number)
    .where(FactRow.incident_id == _MINE, FactRow.attempt == _CURRENT, FactRow.source == bindparam("source"))
    .limit(1)
)
_LATELY_DONE: Final = (
    select(IncidentRow.started_at)
    .where(IncidentRow.status == Status.DONE)
    .order_by(IncidentRow.received_at.desc())
    .limit(MOST_SIGHTINGS)
)
_ABOUT_THE_SAME_TIME: Final = (
    select(SignatureRow.key, SignatureRow.incident_id)
    .where(SignatureRow.key.in_(bindparam("keys", expanding=True)), SignatureRow.incident_id != _MINE)
    .where(SignatureRow.started_at.between(_EARLIER, _LATER))
)


@cache
def _seen(keys: int) -> Select[str, str, str, datetime]:
    """Where one of so many keys was seen: key, incident, its service and its start."""
    seen = union(*(_before(number) for number in range(keys)), _over(), _judged()).subquery()
    found = select(seen.c.key, seen.c.incident_id, IncidentRow.service, IncidentRow.started_at)
    return found.join(IncidentRow, IncidentRow.id == seen.c.incident_id)


def _before(number: int) -> Select[Any]:
    latest = (
        select(SignatureRow.key, SignatureRow.incident_id)
        .where(SignatureRow.key == bindparam(f"key_{number}"), SignatureRow.started_at < _EARLIER)
        .order_by(SignatureRow.started_at.desc())
        .limit(MOST_SIGHTINGS)
    )
    return select(latest.subquery())


def _over() -> Select[Any]:
    latest = _ABOUT_THE_SAME_TIME.order_by(SignatureRow.started_at.desc()).limit(MOST_SIGHTINGS).subquery()
    over = select(IncidentRow.id).where(IncidentRow.id == latest.c.incident_id)
    return select(latest).where(over.where(IncidentRow.resolved_at <= _RECEIVED).exists())


def _judged() -> Select[str, str]:
    lately = select(FeedbackRow.incident_id).order_by(FeedbackRow.at.desc()).limit(MOST_JUDGED).subquery()
    return _ABOUT_THE_SAME_TIME.where(SignatureRow.incident_id.in_(select(lately.c.incident_id)))


def _most_telling(group: Sequence[str], said: dict[str, Feedback]) -> str:
    judged = [incident_id for incident_id in group if incident_id in said]
    explained = (each for each in judged if said[each].actual_cause or said[each].fixed_by)
    return next(explained, next(iter(judged), group[0]))


def _diagnoses(session: Session, attempts: dict[str, int]) -> dict[str, dict[str, Any]]:
    query = select(AttemptRow.incident_id, AttemptRow.diagnosis).where(
        tuple_(AttemptRow.incident_id, AttemptRow.number).in_(list(attempts.items()))
    )
    return {incident_id: diagnosis for incident_id, diagnosis in session.execute(query) if diagnosis}


def _outcome(row: IncidentRow, diagnosis: dict[str, Any] | None, feedback: Feedback | None) -> Outcome:
    return Outcome(
        incident_id=row.id,
        title=row.title,
        started_at=row.started_at,
        cause=diagnosis["probableCause"]["statement"] if diagnosis else None,
        suspect_change=diagnosis["suspectChange"] if diagnosis else None,
        feedback=feedback,
    )
