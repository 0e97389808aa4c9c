"""What a callbackUrl is sent: the receiver describes it, the worker sends it."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from shared.incident import Incident, Status
from shared.wire import Wire

EventType = Literal["incident.briefed", "incident.finished", "incident.failed", "incident.skipped"]

TYPES: Final[dict[Status, EventType]] = {
    Status.DONE: "incident.finished",
    Status.FAILED: "incident.failed",
    Status.SKIPPED: "incident.skipped",
}
"""Any other status is that of an incident that has a brief so far."""


class CallbackEvent(Wire):
    """How an incident stands."""

    type: EventType
    schema_version: Literal["1"] = "1"
    """It changes when something that is here goes away or changes its meaning; new fields may come at any time."""
    timestamp: datetime
    """Of this try."""
    data: Incident
    """The document of `GET /incidents/<id>`."""
