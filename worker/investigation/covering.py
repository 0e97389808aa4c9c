"""Incidents that are plainly part of another one's trouble: what makes it plain, and the diagnosis that says so."""

from __future__ import annotations

from typing import Final

from shared.covering import Leader
from shared.incident import Brief, Citation, Diagnosis, Evidence, Fact, ProbableCause, SuggestedAction
from shared.moment import rfc3339
from worker.inquiry import Scope
from worker.investigation import standing_in
from worker.investigation.case import Case
from worker.investigation.inert import inert
from worker.investigation.recurrence import SOURCE
from worker.investigation.scope import name_of

_LONGEST: Final = 1_000


def follows(scope: Scope, brief: Brief) -> tuple[str, ...]:
    """The services whose trouble this incident plainly is, should they have failed just before: those that the alerted
    one depends on, directly. None, when a change of its own is suspected.
    """
    if scope.component is None or (brief.verdict == "change" and brief.suspects[0].service == scope.targets[0].service):
        return ()
    return tuple(name_of(ref) for ref in scope.component.depends_on)


def fact(leader: Leader, url: str | None) -> Fact:
    """What the other incident's analysis found, as a fact to cite."""
    text = (
        f"{leader.service}: {inert(leader.title, _LONGEST)}\n"
        f"alerted at {rfc3339(leader.received_at)}; probable cause in incident {leader.incident_id}: {_cause(leader)}"
    )
    return Fact(source=SOURCE, kind="covering", service=leader.service, at=leader.received_at, text=text, url=url)


def diagnosis(case: Case, scope: Scope, leader: Leader, told: Fact) -> Diagnosis:
    """The diagnosis of an incident that is covered. `told` is the fact above, with the id that it has in this one."""
    service = scope.targets[0].service
    theirs = leader.diagnosis
    reason = f"covered by the analysis of incident {leader.incident_id} of {leader.service}"
    own = standing_in.diagnosis(scope, case.brief, case.facts, case.coverage, provider=None, reason=reason)
    quote = _cause(leader)
    cite = Citation(fact=told.id, quote=quote, verified=quote in told.text)
    first = f"{service} depends on {leader.service}, whose alert came first"
    look = SuggestedAction(
        kind="verify",
        text=f"See whether {service} recovers with {leader.service} (incident {leader.incident_id}); if it does not, "
        "investigate this one again: then it is analysed by itself",
    )
    return own.model_copy(
        update={
            "probable_cause": ProbableCause(
                statement=f"{first}: {quote}", confidence=theirs.probable_cause.confidence, citations=(cite,)
            ),
            "evidence": (Evidence(statement=first, **cite.model_dump()), *own.evidence),
            "suggested_actions": (*theirs.suggested_actions, look),
            "suspect_change": theirs.suspect_change,
            "produced_by": theirs.produced_by.model_copy(update={"reason": reason}),
        }
    )


def _cause(leader: Leader) -> str:
    return inert(leader.diagnosis.probable_cause.statement, _LONGEST)
