"""Sentry's integration platform: issue alerts, metric alerts and issues
(https://docs.sentry.io/organization/integrations/integration-platform/webhooks/).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import SecretStr

from shared.alert import Delivery, Severity
from shared.settings import setting
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of, service_of
from webhook.reported_alert import Reported, first, tags_of, within
from webhook.senders import MalformedBody
from webhook.signatures import Shared, Signing, digest, same

_ISSUE_OPENS: Final = frozenset({"created", "unresolved"})
_MOST_FRAMES: Final = 30
_PROJECT: Final = re.compile(r"/projects/[^/]+/([^/]+)/")


class Config(Shared):
    """What the integration signs with."""

    secret: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_SECRET_SENTRY",
        default=None,
        description="Client secret of Sentry's integration. Set: its webhooks must be signed, and need no token.",
    )


class Sentry(Signing):
    """Sentry, by an internal integration: issue alerts, metric alerts, issues.

    The service is told by the event's tags, else by its project.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in the address; or WHYDOWN_WEBHOOK_SECRET_SENTRY"
    config = Config

    def signed(self, raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
        """Hex HMAC-SHA256 of the body:
        https://docs.sentry.io/organization/integrations/integration-platform/webhooks/#sentry-hook-signature.
        """
        return same(digest(raw, secret), headers.get("sentry-hook-signature", ""))

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        fields = Fields(body)
        data = fields.values.get("data")
        action = fields.line("action", 64)
        if isinstance(data, dict) and isinstance(data.get("metric_alert"), dict):
            reported = self._metric(data, action)
        elif isinstance(data, dict) and isinstance(data.get("event"), dict):
            reported = self._event(data["event"], first([data.get("triggered_rule")]))
        elif isinstance(data, dict) and isinstance(data.get("issue"), dict):
            if action not in {*_ISSUE_OPENS, "resolved", "archived", "ignored"}:
                return Delivery("sentry", (), ignored=f"an issue that is {action or 'changed'} opens no incident")
            reported = self._issue(data["issue"], action)
        elif isinstance(fields.values.get("event"), dict):
            # The plugin of old, and self-hosted ones: the event, with what is about it beside it.
            event = {**fields.values, **fields.values["event"]}
            reported = self._event(event, first(fields.items("triggering_rules")))
        elif isinstance(data, dict):
            resource = first([headers.get("sentry-hook-resource"), next(iter(data), ""), "other"])
            return Delivery("sentry", (), ignored=f"a {resource} webhook opens no incident")
        else:
            raise MalformedBody(f"data is missing: send Sentry's own webhook body.{other_route(body)}", "data")
        alert = reported.alert()
        return Delivery("sentry", groups_of([(alert.fingerprint, alert)]))

    def _event(self, event: Mapping[str, Any], rule: str) -> Reported:
        tags = tags_of(event.get("tags"))
        # Old bodies have the number of the project where others have its name.
        address = _PROJECT.search(first([event.get("url"), event.get("issue_url")]))
        named = address[1] if address else None
        project = first([event.get("project_slug"), event.get("project_name"), named, event.get("project")])
        url = first([event.get("web_url"), event.get("url")])
        return Reported(
            title=first([event.get("title"), event.get("message"), event.get("culprit"), rule]),
            identity=first(
                [
                    event.get("issue_id"),
                    event.get("groupID"),
                    url.partition("/events/")[0],
                    event.get("event_id"),
                    event.get("id"),
                ]
            ),
            service=service_of(tags, {}, self.grouping.service_labels, unnamed="") or project,
            severity=Severity.of(first([event.get("level"), tags.get("level")])),
            started=first([event.get("datetime"), event.get("timestamp"), event.get("received")]),
            labels={**tags, "project": project, "release": event.get("release"), "rule": rule},
            annotations={"culprit": event.get("culprit"), "platform": event.get("platform")},
            pages={"Sentry": url},
            errors="\n".join(_exceptions(event)),
        )

    def _metric(self, data: Mapping[str, Any], action: str) -> Reported:
        metric = data["metric_alert"]
        rule = metric.get("alert_rule") if isinstance(metric.get("alert_rule"), dict) else {}
        projects = metric.get("projects") if isinstance(metric.get("projects"), list) else []
        return Reported(
            title=first([data.get("description_title"), metric.get("title"), rule.get("name")]),
            identity=f"metric alert {first([metric.get('identifier'), metric.get('id')])}",
            service=first(projects),
            firing=action != "resolved",
            severity=Severity.of(action),
            started=first([metric.get("date_started"), metric.get("date_detected")]),
            ended=metric.get("date_closed"),
            labels={
                "project": first(projects),
                "aggregate": rule.get("aggregate"),
                "query": rule.get("query"),
                "environment": rule.get("environment"),
            },
            annotations={"description": data.get("description_text")},
            pages={"Sentry": data.get("web_url")},
        )

    def _issue(self, issue: Mapping[str, Any], action: str) -> Reported:
        project = first([within(issue, "project", "slug"), within(issue, "project", "name")])
        return Reported(
            title=issue.get("title"),
            identity=issue.get("id"),
            service=project,
            firing=action in _ISSUE_OPENS,
            severity=Severity.of(issue.get("level")),
            started=issue.get("firstSeen") if action == "created" else issue.get("lastSeen"),
            labels={"project": project, "issue": issue.get("shortId"), "level": issue.get("level")},
            annotations={"culprit": issue.get("culprit")},
            pages={"Sentry": first([issue.get("web_url"), issue.get("permalink")])},
        )


def _exceptions(event: Mapping[str, Any]) -> list[str]:
    """The exceptions as a log would show them, the innermost frames first."""
    shown = []
    values = within(event, "exception", "values")
    for each in values if isinstance(values, list) else []:
        kind, said = first([within(each, "type")]), first([within(each, "value")])
        shown.append(": ".join(filter(None, (kind, said))))
        frames = within(each, "stacktrace", "frames")
        for frame in (frames if isinstance(frames, list) else [])[: -_MOST_FRAMES - 1 : -1]:
            place = first([within(frame, "filename"), within(frame, "module"), within(frame, "abs_path")])
            shown.append(f"    at {first([within(frame, 'function')])} ({place}:{first([within(frame, 'lineno')])})")
    return [line for line in shown if line.strip()]
