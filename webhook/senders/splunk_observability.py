"""Splunk Observability (SignalFx), https://docs.splunk.com/observability/en/admin/notif-services/webhook.html, and the
webhook action of Splunk's own alerts, https://docs.splunk.com/Documentation/Splunk/latest/Alert/Webhooks.
"""

from __future__ import annotations

from webhook.fields import FINISHED_WORDS
from webhook.mapped import Map, Mapped


class SplunkObservability(Mapped):
    """Splunk Observability (SignalFx), by its webhook integration, and Splunk's alerts.

    The service is told by the dimensions of what crossed the threshold, or by a field of the first result.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in the address"
    aliases = ("signalfx",)
    telling = ("detectorUrl", "incidentId", "search_name")
    sender = "splunk"
    hint = "send the default payload of Splunk Observability's webhook"
    map = Map(
        title=("messageTitle", "inputs.messageTitle", "rule", "inputs.rule", "detector", "search_name"),
        service=("dimensions.sf_service", "dimensions.service", "inputs.A.key.sf_service", "inputs.A.key.service"),
        fingerprint=("incidentId", "search_name"),
        status=("statusExtended", "status"),
        severity=("severity",),
        started=("timestampISO8601", "timestamp", "result._time"),
        ended=("timestampISO8601", "timestamp"),
        description=("messageBody", "description", "inputs.description"),
        errors=("result._raw",),
        url=("detectorUrl", "results_link"),
        labels=("dimensions", "result"),
        over=FINISHED_WORDS | {"stopped", "manually resolved"},
    )
