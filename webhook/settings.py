"""The receiver's settings. They stand apart from what they set, so that listing them loads no web framework."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from shared.errors import ConfigurationError
from shared.settings import Section, setting


def _token_of_each(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [pair.partition("=") for pair in re.split(r"[,\s]+", value) if pair]
    if not all(name and token for name, _, token in pairs):
        raise ValueError("must be `sender=token`, several of them separated by commas")
    return {name: token for name, _, token in pairs}


TokenOfEach = Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(_token_of_each)]
"""Tokens by the name of their sender."""


class Access(Section):
    """Tokens and secrets that callers must show."""

    api_token: SecretStr | None = setting(
        "WHYDOWN_API_TOKEN",
        default=None,
        description="Bearer token of the API and the pages. Unset: open, which is allowed on loopback only.",
    )
    webhook_token: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_TOKEN",
        default=None,
        description="Token of the webhooks: bearer, password of basic authentication, or `?token=`. "
        "Unset: open, which is allowed on loopback only.",
    )
    webhook_tokens: TokenOfEach | None = setting(
        "WHYDOWN_WEBHOOK_TOKENS",
        default=None,
        description="Tokens for single senders, `azure-monitor=...,pingdom=...`: where one has its own, no other opens "
        "its route, and it opens no other.",
    )

    def token_of(self, sender: str) -> tuple[SecretStr | None, str]:
        """The token that opens a sender's route, and the setting that holds it."""
        own = (self.webhook_tokens or {}).get(sender)
        return (own, "its token in WHYDOWN_WEBHOOK_TOKENS") if own else (self.webhook_token, "WHYDOWN_WEBHOOK_TOKEN")

    def check_names(self, known: Iterable[str]) -> None:
        """Raises ConfigurationError when a token is of no known sender."""
        names = sorted(known)
        for name in self.webhook_tokens or {}:
            if name not in names:
                raise ConfigurationError(f"WHYDOWN_WEBHOOK_TOKENS: {name} is no sender; known: {', '.join(names)}")


class Serving(Section):
    """The receiver's processes."""

    workers: Annotated[int, Field(ge=1, le=64)] = setting(
        "WHYDOWN_WEB_WORKERS", default=2, description="Processes of the receiver."
    )
    threads: Annotated[int, Field(ge=2, le=256)] = setting(
        "WHYDOWN_WEB_THREADS",
        default=16,
        description="Threads of each process of the receiver. At most half of them serve callers that wait for an end.",
    )
