"""What is stored of an alert group when it opens an incident: values of rows, without a database."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from shared.alert import Alert, AlertGroup, Delivery
from shared.incident import Link, Status
from shared.known_services import remember
from shared.moment import CLOCK_TOLERANCE
from shared.store.arrivals import Arrival


def open_key(delivery: Delivery, group: AlertGroup) -> str:
    """What is equal for alerts that are the same trouble."""
    return digest(delivery.sender, group.key, group.service)


def identified(delivery: Delivery, group: AlertGroup, moment: datetime) -> dict[str, Alert]:
    """The group's alerts by their identity: the same for the same firing, however often it is delivered."""
    return {_identity(delivery, alert, n, moment): alert for n, alert in enumerate(group.alerts)}


def arrival(delivery: Delivery, group: AlertGroup, moment: datetime) -> Arrival:
    """A group of firing alerts, as if nobody knew it."""
    alerts = identified(delivery, group, moment)
    incident = incident_row(moment, **told(delivery, group, tuple(alerts.values()), moment))
    return Arrival(incident, [alert_row(incident["id"], identity, alert, moment) for identity, alert in alerts.items()])


def told(delivery: Delivery, group: AlertGroup, alerts: Sequence[Alert], moment: datetime) -> dict[str, Any]:
    """What a delivery tells of the incident that some of its group's alerts are."""
    return {
        "open_key": open_key(delivery, group),
        "sender": delivery.sender,
        "service": group.service,
        "title": group.title,
        "severity": min((alert.severity for alert in alerts), key=lambda severity: severity.rank),
        "started_at": min(believable(alert.starts_at, moment) for alert in alerts),
        "labels": _common([alert.labels for alert in alerts]),
        "annotations": _common([alert.annotations for alert in alerts]),
        "links": [link.wire() for link in _distinct(alerts)],
        "truncated_alerts": group.truncated,
        "callback_url": delivery.callback_url,
    }


def incident_row(moment: datetime, **values: Any) -> dict[str, Any]:
    """The row of a new incident with a new id: `values`, and what is the same for every new one."""
    row: dict[str, Any] = {
        "id": base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower(),
        "status": Status.QUEUED,
        "revision": 1,
        "attempt": 1,
        "fire_count": 1,
        "truncated_alerts": 0,
        "received_at": moment,
        "last_seen_at": moment,
        "labels": {},
        "annotations": {},
        "links": [],
        "closest": [],
    } | values
    remember(row["id"], row["service"])
    return row


def alert_row(incident_id: str, identity: str, alert: Alert, moment: datetime) -> dict[str, Any]:
    """The row of an alert of an incident."""
    return {
        "identity": identity,
        "incident_id": incident_id,
        "received_at": moment,
        "last_received_at": moment,
        "deliveries": 1,
        **{name: getattr(alert, name) for name in _KEPT},
    }


def believable(start: datetime | None, moment: datetime) -> datetime:
    """When it began: as it is told, unless that is far in the future."""
    return moment if start is None or start > moment + CLOCK_TOLERANCE else start


def digest(*parts: str) -> str:
    """Of the parts and their bounds: ("a", "bc") differs from ("ab", "c")."""
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


_KEPT: Final = (
    "fingerprint", "firing", "title", "severity", "starts_at", "ends_at", "labels", "annotations", "errors",
)  # fmt: skip


def _identity(delivery: Delivery, alert: Alert, position: int, moment: datetime) -> str:
    if alert.starts_at is not None:
        return digest(delivery.sender, alert.fingerprint, alert.starts_at.isoformat())
    # No start: each delivery is a firing of its own.
    told = delivery.id or f"{moment.isoformat()} {secrets.token_hex(8)}"
    return digest(delivery.sender, alert.fingerprint, told, str(position))


def _common(dicts: Sequence[dict[str, str]]) -> dict[str, str]:
    first, *others = dicts
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _distinct(alerts: Sequence[Alert]) -> list[Link]:
    links = {link.url: link for alert in alerts for link in alert.links}
    return list(links.values())[:20]
