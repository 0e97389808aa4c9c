"""Splunk Observability (SignalFx):
https://docs.splunk.com/observability/en/admin/notif-services/webhook.html.
"""

from __future__ import annotations

from webhook.mapped import Map, Mapped


class SplunkObservability(Mapped):
    """Splunk Observability (SignalFx), by its webhook integration.

    The service is told by the dimensions of what crossed the threshold.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in the address"
    aliases = ("signalfx",)
    telling = ("detectorUrl", "incidentId")
    sender = "splunk"
    hint = "send the default payload of Splunk Observability's webhook"
    map = Map(
        title=("messageTitle", "inputs.messageTitle", "rule", "inputs.rule", "detector"),
        service=("dimensions.sf_service", "dimensions.service", "inputs.A.key.sf_service", "inputs.A.key.service"),
        fingerprint=("incidentId",),
        status=("statusExtended", "status"),
        severity=("severity",),
        started=("timestampISO8601", "timestamp"),
        ended=("timestampISO8601", "timestamp"),
        description=("messageBody", "description", "inputs.description"),
        url=("detectorUrl",),
        labels=("dimensions",),
        over=frozenset({"ok", "stopped", "manually resolved"}),
    )
