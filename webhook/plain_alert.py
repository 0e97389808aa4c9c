"""One alert in our own plain words, wherever it stands."""

from __future__ import annotations

from typing import Final

from shared.alert import Alert, Severity
from webhook.body import MAX_STRING, text
from webhook.fields import Fields, other_route
from webhook.grouping import MAX_SERVICE, bounded_fingerprint, fingerprint_of
from webhook.senders import MalformedBody

MAX_ERRORS: Final = 64 * 1024
"""Characters of error text. Of a longer one the beginning is kept."""


def plain_alert(fields: Fields) -> Alert:
    """The alert that `serviceName` and its neighbours tell. Raises MalformedBody."""
    service = fields.line("serviceName", MAX_SERVICE)
    if not service or not isinstance(fields.values["serviceName"], str):
        raise MalformedBody(
            "serviceName is missing or no text: send the service's name as in the catalog, "
            f'{{"serviceName": "invoice-api", ...}}.{other_route(fields.values)}',
            "serviceName",
        )
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
