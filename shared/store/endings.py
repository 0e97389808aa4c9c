"""The end of an attempt: its one diagnosis, or why there is none. Each is one transaction, which opens the pushes that
tell of it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam

from shared.database import Database, UtcDateTime
from shared.incident import Coverage, Diagnosis, Fact, Status, Usage
from shared.moment import now
from shared.store import pushes
from shared.store.covering import awakened
from shared.store.findings import ATTEMPTS, OF_ATTEMPT, add, key_of, lines, showing
from shared.store.work import Claim, completion, ids, opening
from shared.transaction import Change, Insertion


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of an attempt that has a diagnosis."""

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


def conclude(database: Database, claim: Claim, conclusion: Conclusion) -> tuple[str, ...]:
    """Stores the one diagnosis of the attempt and opens its pushes. Gives their work's ids, and those of whoever waited
    for the diagnosis. Raises Fenced.
    """
    moment = now()
    usage = conclusion.usage
    values = {
        **key_of(claim),
        "moment": moment,
        "diagnosis": conclusion.diagnosis.wire(),
        "analysis": conclusion.analysis,
        "prompt": conclusion.prompt,
        "reply": conclusion.reply,
        "model": conclusion.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": usage.cost_usd,
        "calls": usage.calls,
    }
    changes = (Change(_CONCLUDED, values), showing(claim, status=Status.DONE, finished_at=moment))
    return _over(database, claim, changes, conclusion.recipients, moment, facts=conclusion.facts)


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
    return _end(database, claim, Status.SKIPPED, detail, recipients, closest=closest, coverage=coverage)


def fail(database: Database, claim: Claim, reason: str, recipients: Sequence[str] = ()) -> tuple[str, ...]:
    """Ends the attempt as failed; it can be asked for again. Gives the ids of the work of its pushes and of
    whoever waited for its diagnosis. Raises Fenced.
    """
    return _end(database, claim, Status.FAILED, reason, recipients)


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
    error = detail if status == Status.FAILED else None
    changes = (
        lines(claim, coverage),
        Change(_ENDED, {**key_of(claim), "moment": moment, "end": status, "reason": error}),
        showing(claim, status=status, finished_at=moment, detail=detail, closest=list(closest)),
    )
    return _over(database, claim, changes, recipients, moment, error=error)


def _over(
    database: Database,
    claim: Claim,
    changes: Sequence[Change | Insertion],
    recipients: Sequence[str],
    moment: datetime,
    *,
    error: str | None = None,
    facts: Sequence[Fact] = (),
) -> tuple[str, ...]:
    pushed = pushes.of_result(claim, recipients, moment)
    changes = (completion(claim, error), *changes, opening(pushed))
    if facts:
        with database.transaction() as transaction:
            add(transaction, claim, facts)
            transaction.together(*changes)
    else:
        database.together(*changes)
    # Those who wait for the diagnosis see it by now. Should nobody come to tell them, the sweep does.
    with database.looking() as look:
        return (*ids(pushed), *awakened(look, claim.incident_id))


# Built once: SQLAlchemy takes longer to build a statement than to run it.
_MOMENT: Final = bindparam("moment", type_=UtcDateTime)
_FOUND: Final = (
    "diagnosis",
    "analysis",
    "prompt",
    "reply",
    "model",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "cost_usd",
    "calls",
)
_CONCLUDED: Final = OF_ATTEMPT.values(
    finished_at=_MOMENT, outcome=Status.DONE.value, **{name: bindparam(name) for name in _FOUND}
)
_ENDED: Final = OF_ATTEMPT.where(ATTEMPTS.c.finished_at.is_(None)).values(
    finished_at=_MOMENT, outcome=bindparam("end"), error=bindparam("reason")
)
