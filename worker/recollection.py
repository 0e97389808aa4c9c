"""Whydown's own memory as a source: earlier incidents that showed the same error signatures."""

from __future__ import annotations

import time
from dataclasses import replace

from shared.incident import Coverage, CoverageStatus, Fact
from shared.moment import Deadline
from shared.store import findings
from shared.store import recurrence as memory
from shared.store.findings import AttemptState
from shared.store.work import Claim
from worker import gathering
from worker.investigation import recurrence
from worker.parts import Parts


def recollect(parts: Parts, claim: Claim, service: str, state: AttemptState) -> AttemptState:
    """Stores what is known of earlier incidents like this one as facts of the attempt, and its signatures for those to
    come; gives the attempt with them. A memory that fails is a gap in coverage.
    """
    own = recurrence.keys(state.facts)
    started = time.monotonic()
    seconds = float(memory.LOOK_SECONDS)
    outcome = gathering.answered(
        recurrence.SOURCE, lambda: _recalled(parts, claim, service, own), Deadline.after(seconds), seconds
    )
    if isinstance(outcome, Coverage):
        memory.remember(parts.database, claim, set(own.values()), (), outcome)
        return _with(state, outcome)
    line = Coverage(
        source=recurrence.SOURCE,
        status=CoverageStatus.OK if outcome else CoverageStatus.EMPTY,
        millis=round((time.monotonic() - started) * 1000),
        items=len(outcome),
        detail=None if own else "no error signature to look for",
    )
    memory.remember(parts.database, claim, set(own.values()), outcome, line)
    # Facts get their numbers where they are stored; without any there is nothing to read again.
    return findings.attempt_state(parts.database, claim.incident_id, claim.attempt) if outcome else _with(state, line)


def _with(state: AttemptState, line: Coverage) -> AttemptState:
    return replace(state, coverage=(*(each for each in state.coverage if each.source != line.source), line))


def _recalled(parts: Parts, claim: Claim, service: str, own: dict[str, str]) -> tuple[Fact, ...]:
    wanted = frozenset(own.values())
    past = memory.seen_before(parts.database, claim.incident_id, wanted)
    found = recurrence.recurrences(wanted, service, past)
    outcomes = memory.outcomes(parts.database, [each.incidents for each in found])
    url = f"{parts.public_url}/incidents/" if parts.public_url else None
    return tuple(
        recurrence.fact(each, outcome, own, url and url + outcome.incident_id)
        for each, outcome in zip(found, outcomes, strict=True)
    )
