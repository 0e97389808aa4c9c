"""An incident whose analysis covers others, for code that tells its story again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.incident import Diagnosis


@dataclass(frozen=True, slots=True)
class Leader:
    """The incident, and what the model made of it."""

    incident_id: str
    service: str
    title: str
    received_at: datetime
    diagnosis: Diagnosis
