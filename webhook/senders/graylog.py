"""Graylog's HTTP notification, and the alarm callback before it:
https://go2docs.graylog.org/current/interacting_with_your_log_data/notifications.html.
"""

from __future__ import annotations

from shared.alert import Severity
from webhook.mapped import Map, Mapped


class Graylog(Mapped):
    """Graylog, by its HTTP notification.

    The service is told by a field of the event, else by the source of a message.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in a custom header"
    telling = ("event_definition_id", "check_result")
    sender = "graylog"
    hint = "send Graylog's own HTTP notification"
    map = Map(
        title=("event_definition_title", "event.message", "stream.title", "check_result.result_description"),
        service=(
            "event.fields.service",
            "event.group_by_fields.service",
            "backlog.0.fields.service",
            "check_result.matching_messages.0.fields.service",
        ),
        subject=(
            "backlog.0.source",
            "check_result.matching_messages.0.source",
            "event.source",
        ),
        fingerprint=("event_definition_id", "check_result.triggered_condition.id"),
        severity=("event.priority",),
        started=("event.timestamp", "check_result.triggered_at"),
        description=("event_definition_description", "check_result.result_description"),
        errors=("backlog.0.message", "check_result.matching_messages.0.message"),
        labels=("event.fields", "event.group_by_fields"),
        severities={"1": Severity.INFO, "2": Severity.WARNING, "3": Severity.HIGH, "4": Severity.CRITICAL},
    )
