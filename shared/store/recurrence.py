"""The signatures of every incident, by key: what was seen before, and what became of it then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Select, bindparam, func, select, tuple_, union
from sqlalchemy.orm import Session

from shared.database import Database, UtcDateTime
from shared.incident import Feedback, Status
from shared.recurrence import Outcome, Past, Sighting
from shared.store.beginnings import Reported
from shared.store.feedback import feedback_of
from shared.store.related import WINDOW
from shared.tables import AttemptRow, FeedbackRow, IncidentRow, SignatureRow

MOST_SIGHTINGS: Final = 300
"""Of each signature, the latest; and as many of the latest incidents count for its rarity."""

MOST_JUDGED: Final = 200
"""The latest judgements that are looked through for incidents about the same time."""

LOOK_SECONDS: Final = 1
"""The brief does not wait longer for this, where the database can be told so."""


def seen_before(database: Database, incident: Reported, keys: Collection[str]) -> Past:
    """Where the signatures were seen before this incident. What began about the same time is no earlier incident but
    the same storm, unless it was over when this one came or somebody judged it already.
    """
    if not keys:
        return Past()
    values = {
        **{f"key_{number}": key for number, key in enumerate(keys)},
        "mine": incident.incident_id,
        "received": incident.received_at,
        "earlier": incident.started_at - WINDOW,
        "later": incident.started_at + WINDOW,
    }
    with database.transaction() as transaction:
        if not database.is_sqlite:  # which waits for no lock when it reads
            transaction.plain(f"SET LOCAL statement_timeout = {LOOK_SECONDS * 1000}")
        sightings = tuple(Sighting(*row) for row in transaction.rows(_seen(len(keys)), values))
        return Past(sightings, *transaction.one(_LATELY_DONE, {})) if sightings else Past()


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


# Built once, for so many keys: SQLAlchemy takes longer to build these statements than to run them.
_EARLIER, _LATER, _RECEIVED = (bindparam(name, type_=UtcDateTime) for name in ("earlier", "later", "received"))
_MINE: Final[BindParameter[str]] = bindparam("mine")
_LATEST: Final = (
    select(IncidentRow.started_at)
    .where(IncidentRow.status == Status.DONE)
    .order_by(IncidentRow.received_at.desc())
    .limit(MOST_SIGHTINGS)
    .subquery()
)
_LATELY_DONE: Final = select(func.count(), func.min(_LATEST.c.started_at))


@cache
def _seen(keys: int) -> Select[str, str, str, datetime]:
    """Where one of so many keys was seen: key, incident, its service and its start."""
    seen = union(*(_before(number) for number in range(keys)), _over(keys), _judged(keys)).subquery()
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


def _about_the_same_time(keys: int) -> Select[str, str]:
    any_of_them: list[BindParameter[str]] = [bindparam(f"key_{number}") for number in range(keys)]
    return (
        select(SignatureRow.key, SignatureRow.incident_id)
        .where(SignatureRow.key.in_(any_of_them), SignatureRow.incident_id != _MINE)
        .where(SignatureRow.started_at.between(_EARLIER, _LATER))
    )


def _over(keys: int) -> Select[Any]:
    latest = _about_the_same_time(keys).order_by(SignatureRow.started_at.desc()).limit(MOST_SIGHTINGS).subquery()
    over = select(IncidentRow.id).where(IncidentRow.id == latest.c.incident_id)
    return select(latest).where(over.where(IncidentRow.resolved_at <= _RECEIVED).exists())


def _judged(keys: int) -> Select[str, str]:
    lately = select(FeedbackRow.incident_id).order_by(FeedbackRow.at.desc()).limit(MOST_JUDGED).subquery()
    return _about_the_same_time(keys).where(SignatureRow.incident_id.in_(select(lately.c.incident_id)))


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
