"""The plain body: one alert in the words of whoever writes a few lines of script."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.alert import Alert, Delivery, Severity
from webhook.body import MAX_STRING, text
from webhook.fields import Fields, http_url, other_route
from webhook.grouping import MAX_SERVICE, Grouping, bounded_fingerprint, fingerprint_of, groups_of
from webhook.senders import MalformedBody

MAX_ERRORS: Final = 64 * 1024
"""Characters of error text. Of a longer one the beginning is kept."""


class Plain:
    """`POST /webhook/alert`: `serviceName`, and as far as known `alertTitle`, `severity`, `startedAt`, `errors` (text
    or a list of texts), `status`, `endsAt`, `callbackUrl`, `labels`, `annotations`, `fingerprint`.
    """

    def __init__(self, grouping: Grouping) -> None:
        """The body names its service itself: `grouping` has no say."""

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        service = fields.line("serviceName", MAX_SERVICE)
        if not service or not isinstance(fields.values["serviceName"], str):
            raise MalformedBody(
                "serviceName is missing or no text: send the service's name as in the catalog, "
                f'{{"serviceName": "invoice-api", ...}}.{other_route(fields.values)}',
                "serviceName",
            )
        callback_url = _callback_url(fields)
        alert = _alert(fields, service)
        # Its fingerprint is what makes two plain alerts the same trouble.
        return Delivery("alert", groups_of([(alert.fingerprint, alert)]), callback_url)


def _alert(fields: Fields, service: str) -> Alert:
    title = fields.line("alertTitle") or f"Alert for {service}"
    labels, annotations = fields.pairs("labels"), fields.pairs("annotations")
    firing = not fields.over("status")
    starts_at, ends_at = fields.time("startedAt"), fields.time("endsAt")
    errors, links = _errors(fields), fields.links({}, annotations)
    kept_labels, kept_annotations = fields.kept("label", labels), fields.kept("annotation", annotations)
    return Alert(
        fingerprint=bounded_fingerprint(fields.text("fingerprint", MAX_STRING)) or fingerprint_of(service, title),
        firing=firing,
        title=title,
        service=service,
        severity=Severity.of(fields.text("severity", 64) or labels.get("severity")),
        starts_at=starts_at,
        ends_at=None if firing else ends_at,
        labels=kept_labels,
        annotations=fields.noted(kept_annotations),
        links=links,
        errors=errors,
    )


def _errors(fields: Fields) -> str | None:
    given = fields.values.get("errors")
    lines = given if isinstance(given, list) else [given]
    errors = "\n".join(text(line, MAX_STRING) for line in lines).strip()
    if len(errors) > MAX_ERRORS:
        fields.notes.append(f"errors was cut, it has {len(errors)} characters")
    return text(errors, MAX_ERRORS) or None


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
