"""Datadog's Webhooks integration, with the payload that docs/senders/datadog.md gives to paste:
https://docs.datadoghq.com/integrations/webhooks/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.alert import Delivery, Severity
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of, service_of
from webhook.reported_alert import Reported, first, tags_of
from webhook.senders import MalformedBody, Sender

_OVER: Final = frozenset({"recovered", "no data recovered", "muted", "warn recovered"})
_TYPES: Final = {"error": Severity.HIGH, "warning": Severity.WARNING, "info": Severity.INFO, "success": Severity.INFO}


class Datadog(Sender):
    """Datadog monitors, by the Webhooks integration.

    The service is the tag `service:`, of the event or of the alert's scope.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in a custom header"
    telling = ("alert_transition",)

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        said = {name: value for name, value in fields.values.items() if not _is_template(value)}
        if not first([said.get("title"), said.get("alert_title")]):
            if first([fields.values.get("title")]):
                return Delivery("datadog", (), ignored="its $VARIABLES were not filled in: a test of the template")
            detail = "title is missing: use the payload in docs/senders/datadog.md for Datadog's webhook."
            raise MalformedBody(f"{detail}{other_route(body)}", "title")
        transition = first([said.get("alert_transition"), said.get("transition")]).lower()
        kind = first([said.get("alert_type")]).lower()
        labels = {**tags_of(said.get("scopes")), **tags_of(said.get("alert_scope")), **tags_of(said.get("tags"))}
        reported = Reported(
            title=first([said.get("title"), said.get("alert_title")]),
            identity=first(
                [said.get("alert_cycle_key"), said.get("aggreg_key"), said.get("monitor_id"), said.get("id")]
            ),
            service=service_of(labels, {}, self.grouping.service_labels, unnamed=""),
            firing=not (transition in _OVER or (not transition and kind == "success")),
            severity=_severity(said, kind),
            started=first([said.get("date"), said.get("last_updated")]),
            ended=first([said.get("last_updated"), said.get("date")]),
            labels={**labels, "monitor_id": said.get("monitor_id"), "event_type": said.get("event_type")},
            annotations={"message": said.get("body"), "query": said.get("alert_query")},
            pages={"Datadog": first([said.get("url"), said.get("link")])},
        )
        alert = reported.alert()
        return Delivery("datadog", groups_of([(alert.fingerprint, alert)]))


def _is_template(value: object) -> bool:
    return isinstance(value, str) and value.startswith("$") and value[1:].isidentifier()


def _severity(said: Mapping[str, Any], kind: str) -> Severity:
    told = Severity.of(first([said.get("severity"), said.get("priority")]))
    return _TYPES.get(kind, Severity.UNKNOWN) if told is Severity.UNKNOWN else told
