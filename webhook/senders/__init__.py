"""Senders: who sends alerts, one route each. Adding one is one file, one line below, one test.

A sender is pure: it turns one verified body into a Delivery and knows nothing of the queue, the database or Flask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from shared.alert import Delivery
from shared.registry import Registry
from webhook.grouping import Grouping


class MalformedBody(ValueError):
    """A body that this sender cannot have meant; the message names the field and the fix."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        """`field` is the JSON path of what is wrong, `alerts[0].labels`."""
        super().__init__(detail)
        self.detail = detail
        self.field = field


class Sender(Protocol):
    """One kind of webhook body."""

    def __init__(self, grouping: Grouping) -> None:
        """`grouping` says which labels name the service."""
        ...

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """What the body says. `body` is parsed JSON within `webhook.body`'s bounds. Raises MalformedBody."""
        ...


SENDERS: Registry[Sender] = Registry[Any](
    "sender",
    "whydown.senders",
    {
        "alert": "webhook.senders.plain:Plain",
        "alertmanager": "webhook.senders.alertmanager_v4:AlertmanagerV4",
        "grafana": "webhook.senders.grafana_alerting:GrafanaAlerting",
    },
)
