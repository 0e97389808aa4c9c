"""Receivers to ask in tests: the whole application on a real database, with a queue that only takes notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from flask import Flask
from pydantic import SecretStr

from shared.database import Database
from shared.settings import Address, Investigation
from webhook.application import create_app
from webhook.grouping import Grouping
from webhook.receiver import Queue
from webhook.settings import Access

API_TOKEN: Final = "api-token-of-the-test"
WEBHOOK_TOKEN: Final = "webhook-token-of-the-test"

API: Final = {"Authorization": f"Bearer {API_TOKEN}"}
WEBHOOK: Final = {"Authorization": f"Bearer {WEBHOOK_TOKEN}"}
PAGE: Final = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

ALERT: Final = {
    "serviceName": "invoice-api",
    "alertTitle": "High error rate",
    "severity": "critical",
    "startedAt": "2026-11-23T03:12:00Z",
}


class Notes:
    """What was published."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.published: list[str] = []

    def publish(self, work_ids: Sequence[str]) -> None:
        """Takes a note."""
        self.published += work_ids

    def ping(self, timeout: float) -> None:
        """Always there."""


def receiver_on(database: Database, notes: Notes | None = None, **changes: Any) -> Flask:
    """A receiver without tokens; `changes` go to create_app."""
    notes = notes or Notes()
    parts: dict[str, Any] = {
        "access": Access(api_token=None, webhook_token=None),
        "address": Address(public_url=None),
        "grouping": Grouping(),
        "investigation": Investigation(),
        "queue": Queue(notes.publish, notes.ping),
    }
    return create_app(database, **(parts | changes))


def guarded_receiver_on(database: Database, **changes: Any) -> Flask:
    """A receiver with both tokens."""
    access = Access(api_token=SecretStr(API_TOKEN), webhook_token=SecretStr(WEBHOOK_TOKEN))
    return receiver_on(database, **({"access": access} | changes))
