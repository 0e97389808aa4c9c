"""PagerDuty's webhooks, version 3: https://developer.pagerduty.com/docs/webhooks-overview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from shared.alert import Delivery, Severity
from shared.settings import setting
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of
from webhook.reported_alert import Reported, first, within
from webhook.senders import MalformedBody
from webhook.signatures import Shared, Signing, digest, same

_FIRING: Final = frozenset({"triggered", "reopened", "unacknowledged", "escalated", "reassigned", "delegated"})
_URGENCIES: Final = {"high": Severity.HIGH, "low": Severity.INFO}


class Config(Shared):
    """What the webhook subscription signs with."""

    secret: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_SECRET_PAGERDUTY",
        default=None,
        description="Secret of PagerDuty's webhook subscription. Set: its webhooks must be signed, and need no token.",
    )


class PagerDuty(Signing):
    """PagerDuty, by webhooks of version 3.

    An incident's service is PagerDuty's own.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in a custom header; or WHYDOWN_WEBHOOK_SECRET_PAGERDUTY"
    config = Config

    def signed(self, raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
        """`v1=` and the hex HMAC-SHA256 of the body, several while a secret is changed:
        https://developer.pagerduty.com/docs/verifying-webhook-signatures.
        """
        expected = f"v1={digest(raw, secret)}"
        return any(same(expected, shown) for shown in headers.get("x-pagerduty-signature", "").split(","))

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        event = fields.values.get("event")
        if isinstance(fields.values.get("messages"), list):
            gone = "versions 1 and 2 of its webhooks are gone: make a version 3 subscription in PagerDuty"
            return Delivery("pagerduty", (), ignored=gone)
        if not isinstance(event, dict):
            raise MalformedBody(f"event is missing: send PagerDuty's own webhooks.{other_route(body)}", "event")
        kind = first([event.get("event_type")])
        data = event.get("data")
        resource, _, what = kind.partition(".")
        over = what == "resolved"
        if resource != "incident" or not (over or what in _FIRING) or not isinstance(data, dict):
            return Delivery("pagerduty", (), ignored=f"the event {kind or '(none)'} opens no incident")
        reported = Reported(
            title=first([data.get("title"), data.get("summary")]),
            identity=first([data.get("id"), data.get("incident_key")]),
            service=first([within(data, "service", "summary"), within(data, "service", "name")]),
            firing=not over,
            severity=_severity(data),
            # What is opened again fires again; all else is the firing that was.
            started=first([data.get("created_at") if what != "reopened" else None, event.get("occurred_at")]),
            ended=event.get("occurred_at"),
            labels={
                "urgency": data.get("urgency"),
                "priority": within(data, "priority", "summary"),
                "number": data.get("number"),
                "escalation_policy": within(data, "escalation_policy", "summary"),
            },
            pages={
                "PagerDuty": data.get("html_url"),
                "Conference bridge": within(data, "conference_bridge", "conference_url"),
            },
        )
        alert = reported.alert()
        return Delivery("pagerduty", groups_of([(alert.fingerprint, alert)]))


def _severity(data: Mapping[str, Any]) -> Severity:
    priority = Severity.of(within(data, "priority", "summary"))
    return _URGENCIES.get(first([data.get("urgency")]), Severity.UNKNOWN) if priority is Severity.UNKNOWN else priority
