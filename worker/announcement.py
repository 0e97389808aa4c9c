"""What a recipient is told of an incident: little, for somebody half awake who reads it on a phone.

Every text is one inert line: no link, image, mention or markup of others is in it, whatever it is put into later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from shared.incident import CoverageStatus, Diagnosis, Incident, SuggestedAction
from shared.moment import now
from worker.investigation.inert import inert
from worker.notifiers import Push

HEADLINE: Final = 150
"""Characters; Slack's headers take no more."""
SENTENCE: Final = 600
MOST_DETAILS: Final = 12


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do."""

    text: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Announcement:
    """An incident in a few lines."""

    headline: str
    """Service and title."""
    state: str
    """Where it stands, in a few words: `Diagnosis`, `First look`, ..."""
    facts: str
    """Severity, since when, how often, and how many sources are missing, in one line."""
    cause: str
    cause_title: str
    """What the cause is: the model's, code's alone, or why there is none."""
    action: Action | None
    url: str | None
    details: tuple[str, ...] = ()
    """Evidence, the other actions and what is missing: for whoever wants to know more. Empty before the diagnosis."""

    @classmethod
    def of(cls, push: Push) -> Self:
        """How the incident stands."""
        incident = push.incident
        diagnosis = incident.diagnosis
        title, cause = _cause(incident)
        first = _first(diagnosis.suggested_actions) if diagnosis else None
        return cls(
            headline=inert(f"{incident.service}: {incident.title}", HEADLINE),
            state=_state(incident),
            facts=" · ".join(_facts(incident)),
            cause=inert(cause, SENTENCE),
            cause_title=title,
            action=_action(first) if first else None,
            url=push.url,
            details=tuple(_details(diagnosis, first))[:MOST_DETAILS] if diagnosis else (),
        )

    def lines(self) -> list[str]:
        """As plain text, one thought to a line."""
        lines = [f"{self.state}: {self.headline}", self.facts, f"{self.cause_title}: {self.cause}"]
        if self.action:
            lines.append(f"First: {self.action.text}")
        if self.action and self.action.command:
            lines.append(f"  {self.action.command}")
        if self.url:
            lines.append(self.url)
        return lines


def clock(moment: datetime) -> str:
    """The time in UTC, with the day when that is not today's."""
    return f"{moment:%H:%M} UTC" if moment.date() == now().date() else f"{moment:%Y-%m-%d %H:%M} UTC"


def _state(incident: Incident) -> str:
    if incident.resolved_at:
        return f"Resolved at {clock(incident.resolved_at)}"
    if incident.diagnosis:
        return "Diagnosis"
    return {"failed": "Investigation failed", "skipped": "Not investigated"}.get(incident.status, "First look")


def _facts(incident: Incident) -> Iterator[str]:
    yield incident.severity
    onset = incident.brief.onset if incident.brief else None
    yield f"since {clock(onset or incident.started_at)}"
    if incident.fire_count > 1:
        yield f"fired {incident.fire_count} times"
    silent = [each for each in incident.coverage if not each.status.answered]
    gaps = sum(each.status is not CoverageStatus.NOT_CONFIGURED for each in silent)
    if gaps:
        yield f"{gaps} {'source' if gaps == 1 else 'sources'} did not answer"
    if incident.covered_by:
        yield f"same trouble as {inert(incident.covered_by.service, 64)}"


def _cause(incident: Incident) -> tuple[str, str]:
    """What is said to be the cause, after what it is."""
    if incident.diagnosis:
        cause = incident.diagnosis.probable_cause
        by = "" if incident.diagnosis.produced_by.stage == "model" else ", without a model"
        return f"Probable cause ({cause.confidence:.0%}{by})", cause.statement
    if incident.brief and not incident.status.finished:
        return "So far", incident.brief.summary
    if incident.brief:
        return f"Before it failed ({inert(incident.detail or 'no reason was given', 200)})", incident.brief.summary
    return "Why", incident.detail or "no reason was given"


def _first(actions: Sequence[SuggestedAction]) -> SuggestedAction | None:
    return next((action for action in actions if action.kind == "immediate"), next(iter(actions), None))


def _action(action: SuggestedAction) -> Action:
    return Action(inert(action.text, 300), inert(action.command, 300) if action.command else None)


def _details(diagnosis: Diagnosis, first: SuggestedAction | None) -> Iterator[str]:
    for evidence in diagnosis.evidence[:5]:
        mark = "" if evidence.verified else " (unverified)"
        yield f"{inert(evidence.statement, 200)}: “{inert(evidence.quote, 200)}”{mark}"
    for action in [each for each in diagnosis.suggested_actions if each is not first][:4]:
        said = _action(action)
        yield f"Then: {said.text}" + (f": {said.command}" if said.command else "")
    for missing in diagnosis.missing_data[:3]:
        yield f"Missing: {inert(missing, 200)}"
