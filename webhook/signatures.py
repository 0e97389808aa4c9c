"""Signatures of webhook bodies: one line in SIGNED for each sender that can sign."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

TOLERANCE_SECONDS: Final = 300
"""How far a signed time may be from ours: a body that was recorded cannot be sent again later."""

Verify = Callable[[bytes, Mapping[str, str], str], bool]
"""Whether the headers (names in lower case) hold the signature of a raw body, made with the secret, and recently."""


def grafana(raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """Hex HMAC-SHA256 of the body, or of `<timestamp>:<body>` where the contact point is set to send a timestamp.

    https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
    """
    signature = headers.get("x-grafana-alerting-signature", "")
    timestamp = headers.get("x-grafana-alerting-timestamp")
    if timestamp is not None:
        if not _recent(timestamp):
            return False
        raw = timestamp.encode() + b":" + raw
    return hmac.compare_digest(_hex(raw, secret).encode(), signature.strip().lower().encode("utf-8", "surrogatepass"))


def pagerduty(raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """`v1=` and the hex HMAC-SHA256 of the body, several while a secret is changed:
    https://developer.pagerduty.com/docs/verifying-webhook-signatures.
    """
    shown = [each.strip() for each in headers.get("x-pagerduty-signature", "").split(",")]
    return any(
        hmac.compare_digest(f"v1={_hex(raw, secret)}".encode(), each.encode("utf-8", "surrogatepass")) for each in shown
    )


def sentry(raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
    """Hex HMAC-SHA256 of the body:
    https://docs.sentry.io/organization/integrations/integration-platform/webhooks/#sentry-hook-signature.
    """
    shown = headers.get("sentry-hook-signature", "")
    return hmac.compare_digest(_hex(raw, secret).encode(), shown.encode("utf-8", "surrogatepass"))


SIGNED: Final[Mapping[str, Verify]] = {"grafana": grafana, "pagerduty": pagerduty, "sentry": sentry}
"""By sender: how its signature is checked."""


def _hex(raw: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def _recent(timestamp: str) -> bool:
    seconds = int(timestamp) if timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 else 0
    return abs(time.time() - seconds) <= TOLERANCE_SECONDS
