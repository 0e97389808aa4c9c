"""The bundle: all that an investigation rested on and came to, frozen, so that it can be looked into and run again."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from shared.incident import Brief, Coverage, Diagnosis, Fact, Feedback, Usage
from shared.wire import Wire

FORMAT: Final = "whydown-bundle/1"


class BundledAlert(Wire):
    """What was reported."""

    incident_id: str
    service: str
    entity_ref: str | None = None
    title: str
    severity: str
    started_at: datetime
    received_at: datetime
    resolved_at: datetime | None = None
    sender: str
    labels: dict[str, str] = Field(default_factory=dict)


class FrozenFact(Fact):
    """A fact with the parts that code reasons about."""

    data: dict[str, Any] = Field(default_factory=dict)


class PromptMessage(Wire):
    """One message as it was sent."""

    role: str
    content: str


class Versions(Wire):
    """What made it."""

    whydown: str
    prompt: str | None = None
    """Equal for prompts with the same instructions; None when no model was asked."""


class Bundle(Wire):
    """The document of `GET /incidents/<id>/bundle`. Secrets have been replaced before any of it was stored."""

    format: Literal["whydown-bundle/1"] = FORMAT
    alert: BundledAlert
    attempt: int
    scope: dict[str, Any] | None = None
    """Whom was looked at and when."""
    facts: tuple[FrozenFact, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    brief: Brief | None = None
    prompt: tuple[PromptMessage, ...] | None = None
    reply: str | None = None
    """What the model answered, as it came but for secrets: not checked, and not fit to be shown as it is."""
    model: str | None = None
    diagnosis: Diagnosis | None = None
    feedback: Feedback | None = None
    usage: Usage = Usage()
    versions: Versions


_MARK: Final = re.compile(r"[0-9a-f]{32}")


def prompt_version(messages: Sequence[PromptMessage]) -> str | None:
    """A short name for the instructions in a prompt, without its random marks; None without any."""
    for message in messages:
        if message.role == "system":
            return hashlib.sha256(_MARK.sub("*", message.content).encode()).hexdigest()[:12]
    return None
