"""Telling people: who is told of what an incident has come to, and the push itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from shared.moment import Deadline
from shared.store import findings, pushes, reading
from shared.store.pushes import Addressed, Busy, Pointless
from shared.store.work import Claim
from worker.inquiry import Component, Scope
from worker.notifiers import Event, Occasion, Push, PushFailure
from worker.parts import Parts
from worker.stages import Store, nothing_yet

PUSH_SECONDS: Final = 20.0


def told(parts: Parts, addressed: Addressed, event: Event, whom: Scope | None = None) -> tuple[str, ...]:
    """The names of those who are told of it; `whom` is what the investigation is about, as far as that is known."""
    occasion = Occasion(
        event=event,
        service=addressed.service,
        severity=addressed.severity,
        sender=addressed.sender,
        callback_url=addressed.callback_url,
        component=whom.component if whom else None,
    )
    return parts.recipients.told(occasion)


def push(parts: Parts, claim: Claim) -> Store:
    """One push. Raises PushFailure, and Fenced."""
    name, _ = pushes.recipient_of(claim.subject)
    notifier = parts.recipients.notifiers.get(name)
    if notifier is None:
        reason = f"no recipient '{name}' is configured on the worker that was asked"
        return partial(pushes.delivered, parts.database, claim, reason)
    try:
        kept = pushes.begin(parts.database, claim)
    except (Pointless, Busy):
        return nothing_yet
    notifier.push(_news(parts, claim, kept), Deadline.after(PUSH_SECONDS))
    return partial(pushes.delivered, parts.database, claim)


def _news(parts: Parts, claim: Claim, kept: Mapping[str, str]) -> Push:
    incident = reading.incident(parts.database, claim.incident_id)
    if incident is None:
        raise PushFailure("the incident was deleted", permanent=True)
    return Push(
        delivery_id=claim.work_id,
        incident=incident,
        url=f"{parts.public_url}/incidents/{incident.id}" if parts.public_url else None,
        callback_url=pushes.addressed(parts.database, claim.incident_id).callback_url,
        component=_component(findings.attempt_state(parts.database, incident.id, len(incident.attempts)).scope),
        kept=kept,
        keep=partial(pushes.keep, parts.database, claim),
    )


def _component(scope: Mapping[str, Any] | None) -> Component | None:
    return Scope.model_validate(scope).component if scope else None
