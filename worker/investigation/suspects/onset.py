"""When it really began: alerts fire late, for they wait for a threshold and a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.incident import Fact

_SEEN_BEFORE: Final = 0.5
"""A signature that the baseline had too is no beginning, unless it became far more frequent."""

_CONFIRMED: Final = timedelta(minutes=15)
"""A first sign counts when another comes this soon after it: single oddities happen all day."""


@dataclass(frozen=True, slots=True)
class Onset:
    """When it began, and how that is known."""

    at: datetime
    why: str
    facts: tuple[str, ...] = ()


def find(facts: Sequence[Fact], services: Sequence[str], alert_at: datetime) -> Onset:
    """The earliest sign that others confirm, among new errors and changed metrics; else the alert's own time."""
    signs = sorted((sign for fact in facts if (sign := _sign(fact, services)) and sign.at < alert_at), key=_time)
    for place, sign in enumerate(signs):
        later = signs[place + 1 :]
        if not later or any(other.at - sign.at <= _CONFIRMED for other in later):
            return sign
    return Onset(alert_at, "the alert's own start: neither logs nor metrics tell more")


def _time(onset: Onset) -> datetime:
    return onset.at


def _sign(fact: Fact, services: Sequence[str]) -> Onset | None:
    if fact.at is None or (fact.service and fact.service not in services):
        return None
    if fact.kind == "metric" and fact.data.get("direction"):
        verb = {"up": "rose", "down": "fell"}[str(fact.data["direction"])]
        return Onset(fact.at, f"{fact.service} {fact.data.get('metric')} {verb} ({fact.id})", (fact.id,))
    if fact.kind != "signature" or fact.data.get("level") not in ("error", "warning"):
        return None
    if int(fact.data.get("baselineCount", 0)) > _SEEN_BEFORE * (fact.count or 0):
        return None
    if fact.data.get("baselineCount"):
        return None
    return Onset(fact.at, f"{fact.service} began to log what the window before did not have ({fact.id})", (fact.id,))
