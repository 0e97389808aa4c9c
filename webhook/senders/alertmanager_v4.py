"""Prometheus Alertmanager, webhook version 4; version 3, before 2016, is read as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.alert import Delivery
from webhook.alert_list import parse_alert_list
from webhook.grouping import Grouping


class AlertmanagerV4:
    """`POST /webhook/alertmanager`."""

    def __init__(self, grouping: Grouping) -> None:
        """`grouping` says which labels name the service."""
        self.grouping = grouping

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group per service of the alert group. Raises MalformedBody."""
        return parse_alert_list("alertmanager", body, self.grouping.service_labels)
