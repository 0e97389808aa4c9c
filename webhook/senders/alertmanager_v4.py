"""Prometheus Alertmanager, webhook version 4; version 3, before 2016, is read as well."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.alert import Delivery
from webhook.alert_list import parse_alert_list
from webhook.senders import Sender


class AlertmanagerV4(Sender):
    """Prometheus Alertmanager, and whatever posts its webhook body (Grafana Mimir, VictoriaMetrics, ...)."""

    configure = "WHYDOWN_WEBHOOK_TOKEN as a bearer token or a password"
    telling = ("alerts",)

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group per service of the alert group. Raises MalformedBody."""
        return parse_alert_list("alertmanager", body, self.grouping.service_labels)
