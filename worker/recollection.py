"""Whydown's own memory as a source: earlier incidents that showed the same error signatures."""

from __future__ import annotations

import time
from collections.abc import Sequence

from shared.incident import Coverage, CoverageStatus, Fact
from shared.moment import Deadline
from shared.store import recurrence as memory
from shared.store.beginnings import Reported
from shared.store.findings import Recollection
from worker import gathering
from worker.investigation import recurrence
from worker.parts import Parts


def recollect(parts: Parts, incident: Reported, service: str, facts: Sequence[Fact]) -> Recollection:
    """What is known of earlier incidents like this one, as facts numbered on from its own, and its signatures for those
    to come. A memory that fails is a gap in coverage.
    """
    own = recurrence.keys(facts)
    started = time.monotonic()
    seconds = float(memory.LOOK_SECONDS)
    outcome = gathering.answered(
        recurrence.SOURCE, lambda: _recalled(parts, incident, service, own), Deadline.after(seconds), seconds
    )
    signatures = tuple(dict.fromkeys(own.values()))
    if isinstance(outcome, Coverage):
        return Recollection(outcome, (), signatures, incident.started_at)
    line = Coverage(
        source=recurrence.SOURCE,
        status=CoverageStatus.OK if outcome else CoverageStatus.EMPTY,
        millis=round((time.monotonic() - started) * 1000),
        items=len(outcome),
        detail=None if own else "no error signature to look for",
    )
    last = max((int(fact.id[1:]) for fact in facts), default=0)
    numbered = tuple(fact.model_copy(update={"id": f"F{number}"}) for number, fact in enumerate(outcome, last + 1))
    return Recollection(line, numbered, signatures, incident.started_at)


def _recalled(parts: Parts, incident: Reported, service: str, own: dict[str, str]) -> tuple[Fact, ...]:
    wanted = frozenset(own.values())
    past = memory.seen_before(parts.database, incident, wanted)
    found = recurrence.recurrences(wanted, service, past)
    outcomes = memory.outcomes(parts.database, [each.incidents for each in found])
    url = f"{parts.public_url}/incidents/" if parts.public_url else None
    return tuple(
        recurrence.fact(each, outcome, own, url and url + outcome.incident_id)
        for each, outcome in zip(found, outcomes, strict=True)
    )
