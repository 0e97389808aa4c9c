"""Notifiers: where results are pushed. Adding one is one file, one line below, one test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from shared.incident import Incident
from shared.moment import Deadline
from shared.registry import Registry


@dataclass(frozen=True, slots=True)
class Push:
    """One result for one destination."""

    delivery_id: str
    """The same at every try."""
    incident: Incident
    url: str
    """The incident's page."""
    callback_url: str | None = None


class PushFailure(Exception):
    """The destination did not take it."""

    def __init__(self, reason: str, permanent: bool = False) -> None:
        """`permanent` when another try would fail the same way."""
        super().__init__(reason)
        self.reason = reason
        self.permanent = permanent


class Notifier(Protocol):
    """One kind of destination."""

    configure: ClassVar[str]
    """The settings that make it there, in words."""

    @classmethod
    def from_settings(cls) -> Self | None:
        """The notifier as the settings say, or None when it is not configured. Raises ConfigurationError."""
        ...

    def wants(self, incident: Incident, callback_url: str | None) -> bool:
        """Whether this incident's results go here."""
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
    {"callback": "worker.notifiers.callback:Callback"},
)
