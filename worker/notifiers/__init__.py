"""Notifiers: where results are pushed. Adding one is one file, one line below, one section of settings, one test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self

from shared.incident import Incident
from shared.moment import Deadline
from shared.registry import Registry
from worker.inquiry import Component

Event = Literal["brief", "diagnosis", "failed", "skipped"]
"""What there may be to tell. Who keeps a message hears too that the alert was resolved, or fires again."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something to tell, as far as it decides who is told."""

    event: Event
    service: str
    severity: str
    sender: str
    """Of the alert."""
    callback_url: str | None = None
    component: Component | None = None
    """The service's catalog entry, where it has one."""


@dataclass(frozen=True, slots=True)
class Push:
    """How an incident stands, for one recipient."""

    delivery_id: str
    """The same at every try."""
    incident: Incident
    url: str | None
    """The incident's page; None where nobody has said what links begin with."""
    callback_url: str | None = None
    component: Component | None = None
    kept: Mapping[str, str] = field(default_factory=dict)
    """What earlier pushes of this incident to the same recipient have kept."""
    keep: Callable[[Mapping[str, str]], None] = lambda kept: None
    """Stores what later ones have to know, at once. Who keeps anything is told too when the alert is resolved."""


class PushFailure(Exception):
    """The recipient did not take it."""

    def __init__(self, reason: str, permanent: bool = False, retry_after: float | None = None) -> None:
        """`permanent` when another try would fail the same way; `retry_after` when it asked for so many seconds."""
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent
        self.retry_after = retry_after


class Notifier(Protocol):
    """One recipient, or a kind that each alert names its own of."""

    configure: ClassVar[str]
    """The settings that make it there, in words."""
    events: tuple[Event, ...]
    """What it is told of, where no route says otherwise."""

    @classmethod
    def from_settings(cls) -> Self | None:
        """The notifier as the settings say, or None when it is not configured. Raises ConfigurationError."""
        ...

    @classmethod
    def at(cls, address: str) -> Self:
        """The notifier for an address in the file of routes; the rest is the settings'. Raises ConfigurationError."""
        ...

    def wants(self, occasion: Occasion) -> bool:
        """Whether it can tell of this at all, and is not told without being routed to."""
        ...

    def push(self, push: Push, deadline: Deadline) -> None:
        """Sends it. Raises PushFailure."""
        ...

    def probe(self, deadline: Deadline) -> str:
        """Whether it would work, in words, without sending anything that people see. Raises PushFailure."""
        ...


NOTIFIERS: Registry[Notifier] = Registry[Any](
    "notifier",
    "whydown.notifiers",
    {
        "callback": "worker.notifiers.callback:Callback",
        "slack": "worker.notifiers.slack:Slack",
        "teams": "worker.notifiers.teams:Teams",
        "pagerduty": "worker.notifiers.pagerduty_note:PagerDutyNote",
        "github": "worker.notifiers.github_issue:GithubIssue",
        "apprise": "worker.notifiers.apprise_urls:AppriseUrls",
    },
)
