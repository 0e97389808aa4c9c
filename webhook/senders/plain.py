"""The plain body: one alert in the words of whoever writes a few lines of script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.alert import Delivery
from webhook.fields import Fields, http_url
from webhook.grouping import groups_of
from webhook.plain_alert import plain_alert
from webhook.senders import MalformedBody, Sender


class Plain(Sender):
    """The plain body, for whoever writes a few lines of script.

    `serviceName`, and as far as known `alertTitle`, `severity`, `startedAt`, `errors` (text
    or a list of texts), `status`, `endsAt`, `callbackUrl`, `labels`, `annotations`, `fingerprint`.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN as a bearer token, a password or in the address"
    telling = ("serviceName",)

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        alert = plain_alert(fields)
        callback_url = _callback_url(fields)
        # Its fingerprint is what makes two plain alerts the same trouble.
        return Delivery("alert", groups_of([(alert.fingerprint, alert)]), callback_url)


def _callback_url(fields: Fields) -> str | None:
    given = fields.values.get("callbackUrl")
    if given in (None, ""):
        return None
    url = http_url(given)
    if url is None:
        raise MalformedBody(
            "callbackUrl must be an absolute http or https URL without credentials in it, "
            "like https://example.com/hooks/diagnosis; leave it out to be called back nowhere",
            "callbackUrl",
        )
    return url
