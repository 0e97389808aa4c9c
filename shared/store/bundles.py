"""Bundles of finished attempts."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from shared.bundle import Bundle, BundledAlert, FrozenFact, PromptMessage, Versions, prompt_version
from shared.database import Database
from shared.incident import Brief, Diagnosis, Usage
from shared.store.feedback import feedback_of
from shared.store.findings import coverage_of, facts_of
from shared.tables import AttemptRow, IncidentRow
from shared.transaction import Transaction


class Unfinished(Exception):
    """No attempt has ended yet."""


def bundle(database: Database, incident_id: str, version: str) -> Bundle | None:
    """The bundle of the latest attempt that has ended, or None when there is no such incident; `version` is Whydown's
    own. Raises Unfinished.
    """
    ended = (
        select(AttemptRow)
        .where(AttemptRow.incident_id == incident_id, AttemptRow.finished_at.is_not(None))
        .order_by(AttemptRow.number.desc())
        .limit(1)
    )
    with database.reading() as session:
        row = session.get(IncidentRow, incident_id)
        if row is None:
            return None
        attempt = session.scalar(ended)
        if attempt is None:
            raise Unfinished
        prompt = tuple(PromptMessage.model_validate(message) for message in attempt.prompt or ())
        return Bundle(
            alert=BundledAlert(incident_id=row.id, **{name: getattr(row, name) for name in _OF_THE_ALERT}),
            attempt=attempt.number,
            scope=attempt.scope,
            facts=tuple(
                FrozenFact.model_validate({**fact.model_dump(), "data": fact.data})
                for fact in facts_of(Transaction.of(session), incident_id, attempt.number)
            ),
            coverage=coverage_of(Transaction.of(session), incident_id, attempt.number),
            brief=_read(Brief, attempt.brief),
            prompt=prompt or None,
            reply=attempt.reply,
            model=attempt.model,
            diagnosis=_read(Diagnosis, attempt.diagnosis),
            feedback=feedback_of(session, [incident_id]).get(incident_id),
            usage=Usage.model_validate(attempt, from_attributes=True),
            versions=Versions(whydown=version, prompt=prompt_version(prompt)),
        )


_OF_THE_ALERT = tuple(name for name in BundledAlert.model_fields if name != "incident_id")


def _read(kind: type[Any], stored: dict[str, Any] | None) -> Any:
    return kind.model_validate(stored) if stored else None
