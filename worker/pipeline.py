"""The stages of an investigation. Each takes a claim, does its part, and gives how to store the result: in one
transaction, which gives the ids of the work that may begin then.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Lock
from typing import Final

import structlog

from shared import tracing
from shared.covering import Leader
from shared.incident import Coverage, CoverageStatus, Fact
from shared.moment import Deadline, now
from shared.store import beginnings, covering, deployments, endings, findings, pushes
from shared.store.beginnings import Reported
from shared.store.covering import Awaited
from shared.store.endings import Conclusion
from shared.store.findings import AttemptState, Recollection, Resolution
from shared.store.work import Claim, GoingOn
from shared.task_application import publish
from worker import delivery, gathering
from worker.conclusion import conclude, covered
from worker.inquiry import AlertSubject, CatalogMatch, Inquiry, Scope
from worker.investigation import brief, brought, scope
from worker.investigation.case import Case
from worker.investigation.covering import follows
from worker.parts import Parts
from worker.recollection import recollect
from worker.stages import Store, nothing_yet

CATALOG: Final = "catalog"

EARLY_BRIEF_SECONDS: Final = 1.2
"""A brief of what is there is stored after this long, however slow a source may be: see promise 3 in the README."""

LATE_BRIEF_SECONDS: Final = 4.0
"""After this long any worker makes it: the one whose part it was has died or is stuck."""

GRACE_SECONDS: Final = 1.0
"""What a source may take beyond its deadline to come back."""

_log = structlog.get_logger(__name__)


class Course:
    """What a task that goes through an attempt knows of it by now."""

    def __init__(self, told: Reported | None = None) -> None:
        """`told` is given by whoever took the attempt up from its beginning."""
        self.told = told
        self._lock = Lock()
        self._inquiry: Inquiry | None = None

    def asks(self, inquiry: Inquiry) -> None:
        """Says what the sources are asked."""
        self._inquiry = inquiry

    def inquiry(self, parts: Parts, claim: Claim) -> Inquiry:
        """What the sources are asked: put together once for all of them, out of what is stored of the attempt of
        `claim` when nobody has said it yet. Raises what the database raises.
        """
        with self._lock:
            if self._inquiry is None:
                told = beginnings.reported(parts.database, claim.incident_id)
                state = findings.attempt_state(parts.database, claim.incident_id, claim.attempt)
                self._inquiry = _inquiry(parts, told, Scope.model_validate(state.scope))
            return self._inquiry


def investigate(parts: Parts, claim: Claim, course: Course | None = None) -> Store:
    """The first stage: whom to look at. Asks the catalog, takes what is at hand anyway, and opens the work of every
    other source: for whoever is on `course`, or for anybody.
    """
    told = (course and course.told) or beginnings.begin(parts.database, claim)
    spans = scope.window(told.started_at, parts.settings, now())
    going_on = GoingOn(timedelta(seconds=source_seconds(parts))) if course else None
    if (context := told.brought) is not None:
        facts, coverage = brought.facts(told.service, context, spans)
        whom = brought.scope(told.service, context, spans)
        resolution = Resolution(whom.wire(), told.service, told.entity_ref, facts, coverage)
        return partial(findings.resolve, parts.database, claim, resolution, going_on)
    match, line = _ask_catalog(parts, told)
    if match is not None and match.component is None and parts.settings.unknown_service == "skip":
        detail = f"not in catalog: no component is named '{told.service}'"
        recipients = delivery.told(parts, told.addressed, "skipped")
        lines = (line,) if line else ()
        return partial(endings.skip, parts.database, claim, detail, match.closest, lines, recipients=recipients)
    whom = scope.make(told.service, match, spans)
    component = whom.component
    inquiry = _inquiry(parts, told, whom)
    if course:
        course.asks(inquiry)
    at_hand = [_asked(parts, name, inquiry) for name in gathering.AT_HAND if name in parts.sources]
    resolution = Resolution(
        scope=whom.wire(),
        service=component.name if component else told.service,
        entity_ref=component.ref if component else told.entity_ref,
        facts=(*(scope.catalog_facts(match) if match else ()), *(fact for facts, _ in at_hand for fact in facts)),
        coverage=(*((line,) if line else ()), *parts.gaps, *(line for _, line in at_hand)),
        sources=tuple(name for name in parts.sources if name not in gathering.AT_HAND),
        links=component.links if component else (),
    )
    return partial(findings.resolve, parts.database, claim, resolution, going_on)


def source_seconds(parts: Parts) -> float:
    """After so long nobody waits for a source any more. One that never comes back, although its deadline should have
    stopped it, is closed by the reconciler then.
    """
    return parts.settings.source_timeout_seconds + GRACE_SECONDS


def gather(parts: Parts, claim: Claim, course: Course | None = None) -> Store:
    """One source. Its failure is a coverage line; the last source in opens the diagnosis."""
    going_on = GoingOn() if course else None
    if claim.subject not in parts.sources:
        detail = "not configured on the worker that was asked"
        line = Coverage(source=claim.subject, status=CoverageStatus.NOT_CONFIGURED, detail=detail)
        return partial(findings.gathered, parts.database, claim, (), line, going_on)
    facts, line = _asked(parts, claim.subject, (course or Course()).inquiry(parts, claim))
    return partial(findings.gathered, parts.database, claim, facts, line, going_on)


def _asked(parts: Parts, name: str, inquiry: Inquiry) -> tuple[tuple[Fact, ...], Coverage]:
    return gathering.ask(name, parts.sources[name], inquiry, parts.settings.source_timeout_seconds, parts.redactor)


def assemble(parts: Parts, claim: Claim) -> tuple[Case, Scope]:
    """The case: everything that was gathered, with the brief of it, which is stored and pushed; and its scope."""
    told, state = findings.so_far(parts.database, claim.incident_id, claim.attempt)
    whom = Scope.model_validate(state.scope)
    made = state.brief
    if made is None or not made.complete:  # else whoever made it waited for another analysis, or died later on
        recollection = recollect(parts, told, whom.targets[0].service, state.facts)
        state = _with(state, recollection)
        made = brief.make(whom, state.facts, state.coverage, complete=True, title=told.title)
        # Without a model the diagnosis is there at once, and tells all of it.
        recipients = delivery.told(parts, told.addressed, "brief", whom) if parts.provider else ()
        publish(findings.briefed(parts.database, claim, made, recipients, recollection))
    case = Case(
        service=whom.targets[0].service,
        entity_ref=whom.component.ref if whom.component else told.entity_ref,
        title=told.title,
        severity=told.severity,
        started_at=told.started_at,
        scope=whom,
        facts=state.facts,
        coverage=state.coverage,
        brief=made,
    )
    return case, whom


def _with(state: AttemptState, recollection: Recollection) -> AttemptState:
    return replace(state, facts=(*state.facts, *recollection.facts), coverage=(*state.coverage, recollection.line))


def diagnose(parts: Parts, claim: Claim, course: Course | None = None) -> Store:
    """The brief of all facts, then the model's diagnosis, or the brief in its place."""
    case, whom = assemble(parts, claim)
    try:
        leader = _leader(parts, claim, case, whom)
    except Awaited:
        return nothing_yet
    if leader is None:
        provider = parts.provider
        if provider is not None and parts.meter is not None:
            provider = parts.meter.on(provider, claim, case.service)
        conclusion = conclude(provider, parts.model_seconds, case, whom)
    else:
        url = f"{parts.public_url}/incidents/{leader.incident_id}" if parts.public_url else None
        conclusion = covered(case, whom, leader, url)
    return partial(_conclude, parts, claim, conclusion, whom)


def deliver(parts: Parts, claim: Claim, course: Course | None = None) -> Store:
    """One push. Raises PushFailure, and Fenced."""
    return delivery.push(parts, claim)


def give_up(parts: Parts, claim: Claim, reason: str) -> tuple[str, ...]:
    """Closes work that can never be done: a source becomes a gap, a push is dead, an attempt fails with its reason."""
    if claim.kind == "gather":
        line = Coverage(source=claim.subject, status=CoverageStatus.ERROR, detail=reason)
        return findings.gathered(parts.database, claim, (), line)
    if claim.kind == "deliver":
        return pushes.delivered(parts.database, claim, error=reason)
    addressed = pushes.addressed(parts.database, claim.incident_id)
    return endings.fail(parts.database, claim, reason, delivery.told(parts, addressed, "failed"))


def too_late(parts: Parts, claim: Claim) -> tuple[str, ...]:
    """Closes a source whose deadline has passed, whatever became of whoever asked it."""
    detail = f"no answer within {parts.settings.source_timeout_seconds:g} s, or its worker died"
    line = Coverage(source=claim.subject, status=CoverageStatus.TIMEOUT, detail=detail)
    return findings.gathered(parts.database, claim, (), line)


def early_briefs(parts: Parts, held: Collection[Claim]) -> int:
    """Stores a brief of what is there for every attempt whose sources keep it waiting; gives how many. `held` is what
    this process has in hand: the attempts of others are left to them, unless they are late with it.
    """
    made = 0
    mine = {(claim.incident_id, claim.attempt) for claim in held}
    moment = now()
    late = moment - timedelta(seconds=LATE_BRIEF_SECONDS)
    for incident_id, number, since in findings.without_brief(
        parts.database, moment - timedelta(seconds=EARLY_BRIEF_SECONDS)
    ):
        if (incident_id, number) not in mine and since > late:
            continue
        told, state = findings.so_far(parts.database, incident_id, number)
        if state.scope is not None:
            whom = Scope.model_validate(state.scope)
            early = brief.make(whom, state.facts, state.coverage, complete=False, title=told.title)
            recipients = delivery.told(parts, told.addressed, "brief", whom)
            opened = findings.early_brief(parts.database, incident_id, number, early, recipients)
            publish(opened or ())
            made += opened is not None
    return made


def _leader(parts: Parts, claim: Claim, case: Case, whom: Scope) -> Leader | None:
    """The incident whose analysis covers this one, as far as it is plain. Raises Awaited, and Fenced."""
    window = timedelta(minutes=parts.settings.cover_minutes)
    services = follows(whom, case.brief) if parts.provider and window else ()
    return covering.leader(parts.database, claim, services, window)


def _ask_catalog(parts: Parts, reported: Reported) -> tuple[CatalogMatch | None, Coverage | None]:
    catalog = parts.catalog
    if catalog is None:
        return None, None
    subject = AlertSubject(reported.service, reported.title, reported.labels, reported.annotations, reported.entity_ref)
    seconds = parts.settings.source_timeout_seconds
    started = time.monotonic()
    deadline = Deadline.after(seconds)
    with tracing.span(f"ask {CATALOG}", kind="client") as span:
        outcome = gathering.answered(CATALOG, lambda: catalog.match(subject, deadline), deadline, seconds)
        told = parts.redactor.model(outcome)
        millis = round((time.monotonic() - started) * 1000)
        line = told if isinstance(told, Coverage) else gathering.catalog_coverage(CATALOG, told, millis)
        gathering.note_coverage(span, line)
    return None if isinstance(told, Coverage) else told, line


def _conclude(parts: Parts, claim: Claim, conclusion: Conclusion, whom: Scope) -> tuple[str, ...]:
    recipients = delivery.told(parts, pushes.addressed(parts.database, claim.incident_id), "diagnosis", whom)
    return endings.conclude(parts.database, claim, replace(conclusion, recipients=recipients))


def _inquiry(parts: Parts, told: Reported, whom: Scope) -> Inquiry:
    spans = whom.window
    services = [target.service for target in whom.targets]
    deploys = deployments.between(parts.database, services, spans.changes_since, spans.until)
    return Inquiry(scope=whom, title=told.title, errors=told.errors, deploys=deploys)
