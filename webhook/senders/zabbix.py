"""Zabbix, by a webhook media type with the parameters that docs/senders/zabbix.md gives:
https://www.zabbix.com/documentation/current/en/manual/config/notifications/media/webhook.
"""

from __future__ import annotations

from shared.alert import Severity
from webhook.mapped import Map, Mapped


class Zabbix(Mapped):
    """Zabbix, by a webhook media type.

    The service is told by a tag (`service`), else it is the host.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN as a bearer token"
    sender = "zabbix"
    hint = "use the parameters in docs/senders/zabbix.md for Zabbix's webhook"
    map = Map(
        title=("trigger", "name", "event_name", "trigger_name", "alert_subject", "subject", "item"),
        service=("service",),
        subject=("hostname", "host", "host_name", "host_host"),
        fingerprint=("event_id", "eventid", "trigger_id", "triggerid", "link"),
        status=("status", "event_status", "value", "event_value"),
        severity=("severity", "event_severity", "trigger_severity", "nseverity", "event_nseverity"),
        started=("started_at", "event_timestamp", "clock"),
        ended=("recovered_at", "event_recovery_timestamp", "r_clock"),
        description=("description", "message", "alert_message", "event_opdata", "item"),
        url=("link", "url"),
        labels=("tags", "event_tags", "event_tags_json"),
        over=frozenset({"ok", "resolved", "recovery", "0"}),
        ignored=frozenset({"acknowledged"}),
        severities={
            "disaster": Severity.CRITICAL,
            "average": Severity.HIGH,
            "information": Severity.INFO,
            "not classified": Severity.UNKNOWN,
            "5": Severity.CRITICAL,
            "4": Severity.HIGH,
            "3": Severity.HIGH,
            "2": Severity.WARNING,
            "1": Severity.INFO,
            "0": Severity.UNKNOWN,
        },
    )
