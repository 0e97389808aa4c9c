"""New Relic's workflow notifications, and the channels before them:
https://docs.newrelic.com/docs/alerts/get-notified/notification-integrations/#webhook.
"""

from __future__ import annotations

from webhook.mapped import Map, Mapped


class NewRelic(Mapped):
    """New Relic, by a workflow's webhook destination.

    The service is the first of the entities that are hurt.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN as a bearer token or a password"
    telling = ("impactedEntities",)
    sender = "newrelic"
    hint = "send the default payload of New Relic's webhook"
    map = Map(
        title=("title", "title.0", "annotations.title.0", "condition_name", "issueTitle"),
        service=(
            "impactedEntities.0",
            "entitiesData.names.0",
            "targets.0.labels.service",
            "targets.0.name",
            "service",
        ),
        subject=("alertConditionNames.0", "condition_name"),
        fingerprint=("id", "issueId", "incident_id"),
        status=("state", "current_state", "event"),
        severity=("priority", "severity"),
        started=("createdAt", "activatedAt", "timestamp"),
        ended=("closedAt", "updatedAt", "timestamp"),
        description=("annotations.description.0", "details"),
        url=("issueUrl", "issuePageUrl", "incident_url"),
        labels=("accumulations.tag", "targets.0.labels"),
        over=frozenset({"closed", "close", "resolved", "deactivated", "issue_closed"}),
        ignored=frozenset({"acknowledged", "acknowledge", "test"}),
    )
