"""CloudEvents in every form that JSON over HTTP has (structured, batch, binary), and the incidents of CDEvents in them
or by themselves.

https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/http-protocol-binding.md
https://github.com/cdevents/spec/blob/main/continuous-operations.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.alert import Alert, Delivery, Severity
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of
from webhook.plain_alert import plain_alert
from webhook.reported_alert import Reported, first, readable, within
from webhook.senders import MalformedBody, Sender

MOST_EVENTS: Final = 1_000
"""Events of one batch that are read."""

_INCIDENT: Final = re.compile(r"dev\.cdevents\.incident\.(?P<what>detected|reported|resolved)\b")


class CloudEvents(Sender):
    """CloudEvents (structured, batched, binary) and the incidents of CDEvents.

    A CDEvents incident opens an incident; so does an event whose data is our plain body
    (`serviceName`, ...). Other events are accepted and ignored.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN as a bearer token"
    aliases = ("cdevents",)
    telling = ("specversion",)

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group for each incident. Raises MalformedBody."""
        events = body if isinstance(body, list) else [_from_headers(body, headers)]
        told, unreadable = readable(_read, events[:MOST_EVENTS])
        keyed = [(alert.fingerprint, alert) for _, alert in told if alert is not None]
        if not keyed:
            kinds = ", ".join(sorted({kind for kind, _ in told if kind})[:3]) or "no events"
            return Delivery("cloudevents", (), ignored=f"no incident is told: {kinds}")
        own_id = None if isinstance(body, list) else _id(events[0])
        return Delivery("cloudevents", groups_of(keyed, len(events[MOST_EVENTS:])), ignored=unreadable, id=own_id)


def _id(event: Mapping[str, Any]) -> str | None:
    """What is the same when an event is sent again."""
    told = event if "id" in event else within(event, "context")
    told_id = first([within(told, "id")])
    return f"{first([within(told, 'source')])} {told_id}" if told_id else None


def _from_headers(body: Any, headers: Mapping[str, str]) -> Any:
    """The event of a binary request: its attributes are headers, its data is the body."""
    if "ce-type" not in headers:
        return body
    attributes = {name.removeprefix("ce-"): value for name, value in headers.items() if name.startswith("ce-")}
    return {**attributes, "data": body}


def _read(event: Any) -> tuple[str, Alert | None]:
    """The type of an event, and the alert that it tells. Raises MalformedBody."""
    kind, data = _told(Fields(event).values)
    if incident := _INCIDENT.match(kind):
        return kind, _incident(data, incident["what"])
    if isinstance(data, dict) and "serviceName" in data:
        return kind, plain_alert(Fields({"startedAt": event.get("time"), **data}))
    return kind, None


def _told(event: Mapping[str, Any]) -> tuple[str, Any]:
    """The type of an event and what it is about. Raises MalformedBody."""
    data = event.get("data")
    inner = first([within(data, "context", "type"), within(event, "context", "type")])
    if inner:
        return inner, data if within(data, "context", "type") else event
    if "type" not in event:
        detail = (
            "type is missing: send a CloudEvent (specversion, type, source, id, data) or a CDEvent (context, subject)."
        )
        raise MalformedBody(f"{detail}{other_route(event)}", "type")
    return first([event["type"]]), data


def _incident(event: Mapping[str, Any], what: str) -> Alert:
    subject, custom = event.get("subject"), event.get("customData")
    at = within(event, "context", "timestamp")
    source = first([within(subject, "source"), within(event, "context", "source")])
    described = first([within(subject, "content", "description")])
    return Reported(
        title=described or "Incident",
        identity=f"{source} {first([within(subject, 'id')])}",
        service=first([within(subject, "content", "service", "id")]).rpartition("/")[2],
        firing=what != "resolved",
        severity=_severity(custom),
        started=at if what != "resolved" else None,
        ended=at,
        labels={
            "environment": within(subject, "content", "environment", "id"),
            "artifact": within(subject, "content", "artifactId"),
            **(
                {name: value for name, value in custom.items() if not isinstance(value, dict | list)}
                if isinstance(custom, dict)
                else {}
            ),
        },
        pages={"Ticket": within(subject, "content", "ticketURI")},
    ).alert()


def _severity(custom: Any) -> Severity:
    told = (Severity.of(within(custom, name)) for name in ("severity", "priority"))
    return next((severity for severity in told if severity is not Severity.UNKNOWN), Severity.UNKNOWN)
