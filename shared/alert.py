"""An alert as its sender told it, before anything is stored: what the receiver makes of one webhook body."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from shared.incident import Link


class Severity(StrEnum):
    """How bad it is, worst first. Senders' own words are mapped to these; what cannot be mapped is `unknown`."""

    CRITICAL = "critical"
    HIGH = "high"
    WARNING = "warning"
    INFO = "info"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """0 for the most urgent. An unknown severity waits like a warning: it may be anything."""
        return {"critical": 0, "high": 1, "warning": 2, "unknown": 2, "info": 3}[self.value]

    @classmethod
    def of(cls, word: object) -> Severity:
        """The severity that a sender's word means."""
        shown = str(word or "").lower()[:64]
        # `SEV-1` is one word, `P1 - Critical` are several.
        told = (_WORDS.get(each) for each in (re.sub(r"[^a-z0-9]", "", shown), *re.findall(r"[a-z0-9]+", shown)))
        return next(filter(None, told), cls.UNKNOWN)


_WORDS = {
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "disaster"), Severity.CRITICAL),
    **dict.fromkeys(("page", "p0", "p1", "sev0", "sev1"), Severity.CRITICAL),
    **dict.fromkeys(("high", "error", "err", "major", "p2", "sev2"), Severity.HIGH),
    **dict.fromkeys(("warning", "warn", "medium", "minor", "moderate", "p3", "sev3"), Severity.WARNING),
    **dict.fromkeys(("info", "informational", "low", "notice", "debug", "p4", "p5", "sev4", "sev5"), Severity.INFO),
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of one delivery. Every string is bounded and storable: `webhook.body` has seen to it."""

    fingerprint: str
    """The sender's own identity of the alert; the same for every firing of it."""
    firing: bool
    title: str
    service: str
    """The name that the alert itself gives: a catalog match may replace it later. `UNNAMED` when it gives none."""
    severity: Severity = Severity.UNKNOWN
    starts_at: datetime | None = None
    """None when the sender does not say: then each delivery is a firing of its own."""
    ends_at: datetime | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    errors: str | None = None
    """Error text that the sender brought along."""


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """Alerts that are one incident: the same service in the same alert group of the same sender."""

    key: str
    """What is equal for the same trouble at the same sender: Alertmanager's groupKey and the service, for instance."""
    service: str
    title: str
    alerts: tuple[Alert, ...]
    truncated: int = 0
    """How many alerts the sender left out of this delivery."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """All that one webhook body said."""

    sender: str
    groups: tuple[AlertGroup, ...]
    callback_url: str | None = None
    ignored: str | None = None
    """Why a body that was understood opens no incident (a test ping, say)."""
    id: str | None = None
    """What the sender calls this delivery: sent again, it is no new firing."""


UNNAMED: Final = "unknown"
"""The service of an alert that names none."""

SERVICE_LABELS: Final = ("service", "service_name", "app", "app_kubernetes_io_name", "component", "container", "job")
"""Labels of an alert that may name its service, likeliest first. There is no standard."""
