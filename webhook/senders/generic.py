"""Any JSON that tells of an alert, read by a map of its fields: for senders that nobody has written a connector for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import SecretStr
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from shared.alert import Delivery
from shared.errors import ConfigurationError
from shared.settings import setting
from webhook.fields import FINISHED_WORDS
from webhook.grouping import Grouping
from webhook.mapped import Map, Mapped
from webhook.signatures import Shared, Signing

_WRAPPERS: Final = ("", "event.", "alert.", "incident.", "data.")


def _guess(names: str) -> tuple[str, ...]:
    """Each name at the top of the body, then inside of what usually wraps an alert."""
    return tuple(wrapper + name for wrapper in _WRAPPERS for name in names.split())


GUESSED: Final = Map(
    title=_guess("title alertTitle alertname check_name name subject summary message msg event description info"),
    service=_guess("service serviceName service_name app application component"),
    subject=_guess("check_name monitor_name resourceName resource host hostname entity"),
    fingerprint=_guess(
        "fingerprint dedupKey dedup_key alertId alert_id incidentId incident_id check_id monitorID monitor_id key id"
    ),
    status=_guess("status state alert_action action alert_type"),
    severity=_guess("severity priority level criticality urgency"),
    started=_guess("startedAt started_at startsAt startDate timestamp time date createdAt created_at"),
    ended=_guess("endedAt ended_at endsAt resolvedAt resolved_at cancelDate updatedAt updated_at"),
    description=_guess("description message summary details body info"),
    errors=_guess("errors error check_error_message stacktrace"),
    url=_guess("url link alert_url source_url html_url"),
    labels=_guess("labels tags attributes dimensions fields"),
    over=FINISHED_WORDS
    | {"resolve", "recovery", "alert_recovery", "close", "up", "success", "end", "ended", "cleared", "canceled"},
    ignored=frozenset({"test", "acknowledged", "acknowledge"}),
)
"""Names that many senders give their fields: what counts where no map is configured."""

_NAMES: Final = {
    **{field.name: field.name for field in fields_of(Map) if field.name not in ("severities", "started", "ended")},
    "startedAt": "started",
    "endedAt": "ended",
}
_WORDS: Final = ("over", "ignored")


class Config(Shared):
    """How the generic sender reads bodies."""

    generic_map: Path | None = setting(
        "WHYDOWN_GENERIC_MAP",
        default=None,
        description="YAML file that says where in the bodies of /webhook/generic stands what "
        "(docs/senders/generic.md). Unset: the names that many senders use.",
    )
    secret: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_SECRET_GENERIC",
        default=None,
        description="`whsec_` and base64. Set: what is sent to /webhook/generic must be signed as in standardwebhooks, "
        "and needs no token.",
    )


class Generic(Signing, Mapped):
    """Any other JSON, by a map of its fields."""

    configure = (
        "WHYDOWN_WEBHOOK_TOKEN as the sender can send it; or WHYDOWN_WEBHOOK_SECRET_GENERIC; "
        "WHYDOWN_GENERIC_MAP to say what stands where"
    )
    config = Config
    sender = "generic"
    hint = "say with WHYDOWN_GENERIC_MAP where the title stands (docs/senders/generic.md)"

    def __init__(self, grouping: Grouping) -> None:
        """Reads the map and tries the secret. Raises ConfigurationError."""
        super().__init__(grouping)
        config = Config.read()
        self.map = _read(config.generic_map) if config.generic_map else GUESSED
        if config.secret is not None:
            _webhook(config.secret.get_secret_value())

    def signed(self, raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
        """https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md: an HMAC-SHA256 of
        the id, the time and the body, at most five minutes old.
        """
        try:
            _webhook(secret).verify(raw, dict(headers), json_parse=False)
        except (WebhookVerificationError, ValueError):
            return False
        return True

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group for each alert. Raises MalformedBody."""
        return replace(super().parse(body, headers), id=headers.get("webhook-id"))


def _webhook(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError):
        raise ConfigurationError("WHYDOWN_WEBHOOK_SECRET_GENERIC: must be `whsec_` followed by base64") from None


@lru_cache(maxsize=4)
def _read(path: Path) -> Map:
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as failure:
        raise ConfigurationError(f"WHYDOWN_GENERIC_MAP: {path} cannot be read ({type(failure).__name__})") from None
    if not isinstance(said, dict) or "title" not in said:
        raise ConfigurationError(f"WHYDOWN_GENERIC_MAP: {path} must be a map that says at least where `title` stands")
    if unknown := sorted(map(str, said.keys() - _NAMES.keys())):
        raise ConfigurationError(f"WHYDOWN_GENERIC_MAP: {path}: {unknown[0]} is none of {', '.join(_NAMES)}")
    return Map(**{_NAMES[name]: _value(path, name, value) for name, value in said.items()})


def _value(path: Path, name: str, value: Any) -> Any:
    if name == "alerts" and isinstance(value, str):
        return value
    words = [value] if isinstance(value, str) else value
    if name == "alerts" or not isinstance(words, list) or not all(isinstance(word, str) and word for word in words):
        kind = "a word or a list of words" if name in _WORDS else "a path like `incident.title`, or a list of paths"
        raise ConfigurationError(f"WHYDOWN_GENERIC_MAP: {path}: {name} must be {kind}")
    return frozenset(word.lower() for word in words) if name in _WORDS else tuple(words)
