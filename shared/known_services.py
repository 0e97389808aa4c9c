"""Which service an incident is of, as far as this process came across it lately: a message to the workers names it for
the people who read Flower, and is not worth a query of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

MOST: Final = 10_000
"""Incidents that are remembered; the oldest go first."""

_services: OrderedDict[str, str] = OrderedDict()


def remember(incident_id: str, service: str) -> None:
    """Notes whose incident it is. Safe to call from any thread."""
    _services[incident_id] = service
    if len(_services) > MOST:
        _services.popitem(last=False)


def service_of(incident_id: str) -> str | None:
    """The service, or None when this process has not heard of the incident, or not lately."""
    return _services.get(incident_id)
