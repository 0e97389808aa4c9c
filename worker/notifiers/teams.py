"""Microsoft Teams: an Adaptive Card to the URL of a workflow ("Post to a channel when a webhook request is received").

Workflows: https://learn.microsoft.com/power-automate/teams/overview. Cards: https://adaptivecards.io/explorer. A card
cannot be changed that way, so each stage is one of its own.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import SecretStr

from shared.errors import ConfigurationError
from shared.moment import Deadline
from shared.settings import Section, setting
from worker.announcement import Announcement
from worker.notifiers import Event, Occasion, Push
from worker.outbound import Outbound
from worker.pushing import check, send


class Config(Section):
    """Microsoft Teams."""

    webhook_url: SecretStr | None = setting(
        "WHYDOWN_TEAMS_WEBHOOK_URL",
        default=None,
        description="URL of a Teams workflow that posts what it receives to a channel or chat.",
    )


class Teams:
    """Adaptive Cards in a Microsoft Teams channel or chat, through a workflow."""

    configure: ClassVar[str] = "WHYDOWN_TEAMS_WEBHOOK_URL"
    events: tuple[Event, ...] = ("brief", "diagnosis", "failed")

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError."""
        if not url.startswith(("https://", "http://")):
            raise ConfigurationError("WHYDOWN_TEAMS_WEBHOOK_URL: must start with https:// or http://")
        self._workflow = Outbound(url)

    @classmethod
    def from_settings(cls) -> Self | None:
        """The workflow of the settings, or None. Raises ConfigurationError."""
        url = Config.read().webhook_url
        return cls(url.get_secret_value()) if url else None

    @classmethod
    def at(cls, address: str) -> Self:
        """Another workflow. Raises ConfigurationError."""
        return cls(address)

    def wants(self, occasion: Occasion) -> bool:
        """Everything."""
        return True

    def push(self, push: Push, deadline: Deadline) -> None:
        """Posts the card. Raises PushFailure."""
        card = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": _card(Announcement.of(push)),
        }
        answer = send(self._workflow, "POST", "", deadline, {"type": "message", "attachments": [card]})
        check(answer.status, answer.headers, answer.text(120))

    def probe(self, deadline: Deadline) -> str:
        """That nothing can be asked."""
        return "not tried: a workflow can only be asked by posting"


def _card(announcement: Announcement) -> dict[str, Any]:
    """Texts from outside stand in TextRuns, in which nothing is Markdown."""
    body = [
        _block(_run(announcement.headline, size="Medium", weight="Bolder")),
        _block(_run(f"{announcement.state} · {announcement.facts}", isSubtle=True)),
        _block(_run(f"{announcement.cause_title}: ", weight="Bolder"), _run(announcement.cause)),
    ]
    if announcement.action:
        body.append(_block(_run("First: ", weight="Bolder"), _run(announcement.action.text)))
        if announcement.action.command:
            body.append(_block(_run(announcement.action.command, fontType="Monospace")))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": announcement.headline,
        "msteams": {"width": "Full"},
        "body": body,
    }
    if announcement.url:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open the incident", "url": announcement.url}]
    return card


def _block(*runs: dict[str, Any]) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: Any) -> dict[str, Any]:
    return {"type": "TextRun", "text": text or "-", **style}
