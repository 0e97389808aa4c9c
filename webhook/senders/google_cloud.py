"""Google Cloud Monitoring: https://cloud.google.com/monitoring/support/notification-options#webhooks."""

from __future__ import annotations

from shared.alert import Severity
from webhook.mapped import Map, Mapped


class GoogleCloud(Mapped):
    """Google Cloud Monitoring, by a webhook notification channel.

    The service is told by the labels of the policy, the metric or the resource, else it is the
    resource that the incident is about.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in the address or as a password"
    aliases = ("gcp", "google-cloud")
    telling = ("incident",)
    sender = "gcp"
    hint = "send the webhook body of a Google Cloud Monitoring notification channel"
    map = Map(
        title=("incident.condition.displayName", "incident.condition_name", "incident.summary", "incident.policy_name"),
        service=(
            "incident.policy_user_labels.service",
            "incident.metadata.user_labels.service",
            "incident.metadata.user_labels.app",
        ),
        subject=(
            "incident.resource.labels.service_name",
            "incident.resource.labels.container_name",
            "incident.resource.labels.function_name",
            "incident.resource_display_name",
            "incident.resource_name",
            "incident.resource_id",
        ),
        fingerprint=("incident.incident_id",),
        status=("incident.state",),
        severity=("incident.severity", "incident.metadata.system_labels.severity"),
        started=("incident.started_at",),
        ended=("incident.ended_at",),
        description=("incident.summary", "incident.documentation.content"),
        url=("incident.url",),
        labels=(
            "incident.metric.labels",
            "incident.resource.labels",
            "incident.metadata.user_labels",
            "incident.policy_user_labels",
        ),
        severities={"no severity": Severity.UNKNOWN, "error": Severity.HIGH},
    )
