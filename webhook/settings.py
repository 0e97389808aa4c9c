"""The receiver's settings. They stand apart from what they set, so that listing them loads no web framework."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from shared.settings import Section, setting


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
    grafana_secret: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_SECRET_GRAFANA",
        default=None,
        description="HMAC secret of Grafana's contact point. Set: its webhooks must be signed, and need no token.",
    )

    pagerduty_secret: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_SECRET_PAGERDUTY",
        default=None,
        description="Secret of PagerDuty's webhook subscription. Set: its webhooks must be signed, and need no token.",
    )
    sentry_secret: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_SECRET_SENTRY",
        default=None,
        description="Client secret of Sentry's integration. Set: its webhooks must be signed, and need no token.",
    )

    def sender_secrets(self) -> dict[str, SecretStr]:
        """The secret of every sender that must sign."""
        secrets = {"grafana": self.grafana_secret, "pagerduty": self.pagerduty_secret, "sentry": self.sentry_secret}
        return {sender: secret for sender, secret in secrets.items() if secret}


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
