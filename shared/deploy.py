"""A deploy: something that changed what is running, a switched flag included."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Action = Literal["deployed", "upgraded", "rolledback", "removed"]


@dataclass(frozen=True, slots=True)
class Deploy:
    """One deploy of one service, or one flag of it that was switched, as somebody reported it or a source found it."""

    service: str
    started_at: datetime
    version: str | None = None
    commit: str | None = None
    environment: str | None = None
    url: str | None = None
    actor: str | None = None
    action: Action = "deployed"
    event_id: str | None = None
    """The reporter's id of the event: the same event twice is one deploy."""
    flag: str | None = None
    """The flag that was switched, when it was that and no new version."""
    change: str | None = None
    """What it was switched from and to, `off->on`."""
