"""Uptime Kuma's webhook notification:
https://github.com/louislam/uptime-kuma/blob/master/server/notification-providers/webhook.js.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.alert import Delivery, Severity
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of, service_of
from webhook.reported_alert import Reported, first, tags_of
from webhook.senders import MalformedBody, Sender

_UP: Final = "1"
_NO_ALERT: Final = {"2": "pending", "3": "under maintenance"}


class UptimeKuma(Sender):
    """Uptime Kuma, by its webhook notification.

    The service is told by the monitor's tags, else it is the monitor's name.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in a custom header"
    telling = ("heartbeat",)

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        beat, monitor = fields.values.get("heartbeat"), fields.values.get("monitor")
        if not isinstance(beat, dict) or not isinstance(monitor, dict):
            if {"heartbeat", "monitor", "msg"} <= fields.values.keys():
                said = fields.line("msg", 200)
                return Delivery(
                    "uptimekuma", (), ignored=f"no monitor is told, as in the test of a notification: {said}"
                )
            detail = "heartbeat and monitor are missing: send Uptime Kuma's preset application/json body."
            raise MalformedBody(f"{detail}{other_route(body)}", "heartbeat")
        status = first([beat.get("status")])
        name = first([monitor.get("name"), monitor.get("pathName"), monitor.get("url")])
        if status in _NO_ALERT:
            return Delivery("uptimekuma", (), ignored=f"{name} is {_NO_ALERT[status]}")
        tags = tags_of(monitor.get("tags"))
        reported = Reported(
            title=f"{name} is {'up' if status == _UP else 'down'}",
            identity=f"monitor {first([beat.get('monitorID'), monitor.get('id'), name])}",
            service=service_of(tags, {}, self.grouping.service_labels, unnamed="") or name,
            firing=status != _UP,
            severity=Severity.HIGH,
            started=_utc(beat.get("time")),
            ended=_utc(beat.get("time")),
            labels={**tags, "type": monitor.get("type"), "hostname": monitor.get("hostname")},
            annotations={"message": fields.values.get("msg")},
            pages={"Monitored": monitor.get("url")},
            errors=None if status == _UP else beat.get("msg"),
        )
        alert = reported.alert()
        return Delivery("uptimekuma", groups_of([(alert.fingerprint, alert)]))


def _utc(shown: object) -> object:
    """Its times have a space and no zone: `2024-03-01 12:00:00.123`, in UTC."""
    return f"{shown.strip().replace(' ', 'T')}Z" if isinstance(shown, str) and "T" not in shown else shown
