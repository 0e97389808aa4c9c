"""Signatures seen again: what the store knows of earlier incidents, for code that weighs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.incident import Feedback


@dataclass(frozen=True, slots=True)
class Sighting:
    """One signature of one earlier incident."""

    key: str
    incident_id: str
    service: str
    """The incident's, not the signature's."""
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """Where the signatures of an incident were seen before, and among how many incidents."""

    sightings: tuple[Sighting, ...] = ()
    incidents: int = 0
    """How many of the latest incidents count for a signature's rarity."""
    since: datetime | None = None
    """When the first of those began."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an earlier incident."""

    incident_id: str
    title: str
    started_at: datetime
    cause: str | None
    """The probable cause in its diagnosis."""
    suspect_change: str | None
    feedback: Feedback | None
