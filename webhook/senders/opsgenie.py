"""Opsgenie's webhook integration: https://support.atlassian.com/opsgenie/docs/opsgenie-edge-connector-alert-action-data/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.alert import Delivery, Severity
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of, service_of
from webhook.reported_alert import Reported, first, tags_of
from webhook.senders import MalformedBody, Sender

_OVER: Final = frozenset({"close", "delete"})
_INTEGRATION: Final = {"integrationId", "integrationName", "integrationType"}
_FIRING: Final = frozenset({"create", "unacknowledge", "escalate", "escalatenext"})


class Opsgenie(Sender):
    """Opsgenie, by its webhook integration.

    An alert's service is told by its details or tags (`service:x`), else by its entity.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in a custom header"
    telling = ("integrationId",)

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        data = fields.values.get("alert")
        if not isinstance(data, dict) and _INTEGRATION & fields.values.keys():
            return Delivery("opsgenie", (), ignored="no alert is told: a test of the integration")
        if not isinstance(data, dict):
            raise MalformedBody(f"alert is missing: send Opsgenie's own webhook body.{other_route(body)}", "alert")
        action = fields.line("action", 64)
        over = action.lower() in _OVER
        if not over and action.lower() not in _FIRING:
            return Delivery("opsgenie", (), ignored=f"the action {action or '(none)'} opens no incident")
        labels = {**tags_of(data.get("tags")), **tags_of(data.get("details"))}
        named = service_of(labels, {}, self.grouping.service_labels, unnamed="")
        reported = Reported(
            title=data.get("message"),
            identity=first([data.get("alias"), data.get("alertId")]),
            service=first([named, data.get("entity")]),
            firing=not over,
            severity=_severity(data.get("priority")),
            started=data.get("createdAt"),
            ended=data.get("updatedAt"),
            labels={**labels, "entity": data.get("entity"), "source": data.get("source")},
            annotations={"description": data.get("description")},
        )
        alert = reported.alert()
        return Delivery("opsgenie", groups_of([(alert.fingerprint, alert)]))


def _severity(priority: object) -> Severity:
    """`P1` to `P5`, or 1 to 5 in older bodies."""
    shown = first([priority])
    return Severity.of(f"p{shown}" if shown.isdigit() else shown)
