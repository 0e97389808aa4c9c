"""Datadog's Webhooks integration, with the payload that docs/senders/datadog.md gives to paste:
https://docs.datadoghq.com/integrations/webhooks/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from shared.alert import Delivery, Severity
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of, service_of
from webhook.reported_alert import Reported, first, tags_of
from webhook.senders import MalformedBody, Sender

_TITLES: Final = ("title", "event_title", "alert_title")
_OVER: Final = frozenset({"muted", "ok", "resolved"})
_STATES: Final = re.compile(r"^(\[[^\]]*\]\s*)+")
"""`[Triggered on {host:a}] `: what Datadog writes before the name of a monitor."""
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
        title = first(said.get(name) for name in _TITLES)
        if not title:
            if first(fields.values.get(name) for name in _TITLES):
                return Delivery("datadog", (), ignored="its $VARIABLES were not filled in: a test of the template")
            detail = "title is missing: use the payload in docs/senders/datadog.md for Datadog's webhook."
            raise MalformedBody(f"{detail}{other_route(body)}", "title")
        alert = self._reported(title, said).alert()
        return Delivery("datadog", groups_of([(alert.fingerprint, alert)]))

    def _reported(self, title: str, said: Mapping[str, Any]) -> Reported:
        transition = first([said.get("alert_transition"), said.get("transition"), _told_by(title)]).lower()
        kind = first([said.get("alert_type")]).lower()
        labels = {**tags_of(said.get("scopes")), **tags_of(said.get("alert_scope")), **tags_of(said.get("tags"))}
        over = transition.endswith("recovered") or transition in _OVER or (not transition and kind == "success")
        return Reported(
            title=title,
            identity=first(
                [
                    *(said.get(name) for name in ("alert_cycle_key", "aggreg_key", "monitor_id", "alert_id")),
                    _STATES.sub("", title),  # the event's own id changes when it is over
                ]
            ),
            service=service_of(labels, {}, self.grouping.service_labels, unnamed="") or first([said.get("service")]),
            firing=not over,
            severity=_severity(said, kind),
            started=first([said.get("date"), said.get("last_updated"), said.get("timestamp")]),
            ended=first([said.get("last_updated"), said.get("date"), said.get("timestamp")]),
            labels={**labels, "monitor_id": said.get("monitor_id"), "event_type": said.get("event_type")},
            annotations={
                "message": first(said.get(name) for name in ("body", "event_msg", "message", "text")),
                "query": said.get("alert_query"),
            },
            pages={"Datadog": first([said.get("url"), said.get("link")])},
        )


def _is_template(value: object) -> bool:
    return isinstance(value, str) and value.startswith("$") and value[1:].isidentifier()


def _told_by(title: str) -> str:
    """The transition by the title, where the payload has none: as in the one that Datadog proposes."""
    states = _STATES.match(title)
    return "recovered" if states and "recovered" in states[0].lower() else ""


def _severity(said: Mapping[str, Any], kind: str) -> Severity:
    told = Severity.of(first([said.get("severity"), said.get("priority")]))
    return _TYPES.get(kind, Severity.UNKNOWN) if told is Severity.UNKNOWN else told
