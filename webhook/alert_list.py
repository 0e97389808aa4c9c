"""Alertmanager's webhook body, which Grafana's unified alerting shares: a list of alerts with labels and annotations.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.alert import Alert, Delivery, Severity
from shared.incident import Link
from webhook.body import MAX_STRING, one_line, text
from webhook.fields import MAX_LINKS, Fields, other_route
from webhook.grouping import MAX_TITLE, bounded_fingerprint, fingerprint_of, groups_of, service_of
from webhook.senders import MalformedBody

MAX_ALERTS: Final = 5_000
"""Alerts of one delivery. What comes after them is counted like what the sender left out itself."""

MAX_TRUNCATED: Final = 2**31 - 1
"""The largest count of left-out alerts that is believed."""


def parse_alert_list(sender: str, body: Any, service_labels: Sequence[str]) -> Delivery:
    """The delivery that the body tells. Raises MalformedBody when it holds no list of alerts, or none of them can be
    read; where some can, the others are noted in the annotations of those.
    """
    fields = Fields(body)
    if "alerts" not in fields.values:
        raise MalformedBody(f"alerts is missing: send a list of alerts.{other_route(fields.values)}", "alerts")
    given = fields.items("alerts")
    if not given:
        return Delivery(sender, (), ignored="the delivery holds no alerts")
    readable, unreadable = _read(given[:MAX_ALERTS])
    group = _Group(
        key=_group_key(fields),
        status=fields.text("status", 64),
        title=fields.line("title"),
        links=fields.links({"externalURL": sender.capitalize()}, {}),
        notes=(f"{len(unreadable)} of {len(given)} alerts could not be read: {unreadable[0].detail}",)
        if unreadable
        else (),
    )
    alerts = [_alert(group, listed, service_labels) for listed in readable]
    truncated = _truncated(fields) + len(given[MAX_ALERTS:])
    return Delivery(
        sender, groups_of(((group.key or _own_key(alert), alert) for alert in alerts), min(truncated, MAX_TRUNCATED))
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """What the body says of all its alerts."""

    key: str
    status: str
    title: str
    links: tuple[Link, ...]
    notes: tuple[str, ...]


class _Listed:
    """One entry of the list."""

    def __init__(self, value: object, path: str) -> None:
        self.fields = Fields(value, path)
        self.labels = self.fields.pairs("labels")
        self.annotations = self.fields.pairs("annotations")


def _read(given: Sequence[Any]) -> tuple[list[_Listed], list[MalformedBody]]:
    readable: list[_Listed] = []
    unreadable: list[MalformedBody] = []
    for number, value in enumerate(given):
        try:
            readable.append(_Listed(value, f"alerts[{number}]"))
        except MalformedBody as malformed:
            unreadable.append(malformed)
    if not readable:
        raise unreadable[0]
    return readable, unreadable


def _alert(group: _Group, listed: _Listed, service_labels: Sequence[str]) -> Alert:
    fields, labels, annotations = listed.fields, listed.labels, listed.annotations
    service = service_of(labels, annotations, service_labels)
    firing = not fields.over("status", default=group.status)
    links = fields.links(_LINKS, annotations)
    starts_at, ends_at = fields.time("startsAt"), fields.time("endsAt")
    told = annotations | {name: shown for name in _MEASURED if (shown := fields.text(name))}
    kept_labels, kept_annotations = fields.kept("label", labels), fields.kept("annotation", told)
    return Alert(
        fingerprint=bounded_fingerprint(fields.text("fingerprint", MAX_STRING)) or _fingerprint(labels),
        firing=firing,
        title=_title(listed) or group.title or f"Alert for {service}",
        service=service,
        severity=Severity.of(labels.get("severity") or annotations.get("severity")),
        starts_at=starts_at,
        ends_at=None if firing else ends_at,
        labels=kept_labels,
        annotations=fields.noted(kept_annotations, *group.notes),
        links=(*links, *group.links)[:MAX_LINKS],
    )


def _title(listed: _Listed) -> str:
    summary = one_line(listed.annotations.get("summary"), MAX_TITLE)
    return summary or one_line(listed.labels.get("alertname"), MAX_TITLE)


def _fingerprint(labels: dict[str, str]) -> str:
    return fingerprint_of(*(part for pair in sorted(labels.items()) for part in pair))


def _group_key(body: Fields) -> str:
    """Version 3 has a number for a key; where there is none, the labels that were grouped by stand for it."""
    if key := body.text("groupKey", MAX_STRING):
        return key
    grouped_by = body.values.get("groupLabels")
    return text(json.dumps(grouped_by, sort_keys=True), MAX_STRING) if grouped_by else ""


def _own_key(alert: Alert) -> str:
    """The group of an alert whose sender names none: the alerts of the same name."""
    return alert.labels.get("alertname") or alert.fingerprint


def _truncated(body: Fields) -> int:
    count = body.values.get("truncatedAlerts")
    return min(max(count, 0), MAX_TRUNCATED) if isinstance(count, int) else 0


_LINKS: Final = {
    "dashboardURL": "Dashboard",
    "panelURL": "Panel",
    "generatorURL": "Alert rule",
    "silenceURL": "Silence it",
    "imageURL": "Screenshot",
}
"""The link fields of an alert and what they show, the most useful first."""

_MEASURED: Final = ("valueString", "values")
"""What Grafana measured when it fired."""
