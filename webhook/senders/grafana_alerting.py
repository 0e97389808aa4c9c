"""Grafana: unified alerting, and the legacy alerting that it replaced (gone with Grafana 11).

Legacy body: https://grafana.com/docs/grafana/v8.5/alerting/old-alerting/notifications/#webhook
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import SecretStr

from shared.alert import UNNAMED, Alert, Delivery, Severity
from shared.settings import setting
from webhook.alert_list import parse_alert_list
from webhook.body import MAX_STRING
from webhook.fields import Fields, other_route
from webhook.grouping import bounded_fingerprint, fingerprint_of, groups_of, service_of
from webhook.senders import MalformedBody
from webhook.signatures import Shared, Signing, digest, recent, same

MAX_SERIES: Final = 1_000
"""Series of one legacy alert. Those after them are counted as left out."""


class Config(Shared):
    """What the contact point signs with."""

    secret: SecretStr | None = setting(
        "WHYDOWN_WEBHOOK_SECRET_GRAFANA",
        default=None,
        description="HMAC secret of Grafana's contact point. Set: its webhooks must be signed, and need no token.",
    )


class GrafanaAlerting(Signing):
    """Grafana, by a webhook contact point (and legacy alerting).

    What the contact point's Test button sends is an alert like any other, so that whoever
    presses it sees an incident.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN as a bearer token or a password; or WHYDOWN_WEBHOOK_SECRET_GRAFANA"
    telling = ("ruleName", "evalMatches", "alerts")
    config = Config

    def signed(self, raw: bytes, headers: Mapping[str, str], secret: str) -> bool:
        """Hex HMAC-SHA256 of the body, or of `<timestamp>:<body>` where the contact point is set to send a timestamp.

        https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
        """
        timestamp = headers.get("x-grafana-alerting-timestamp")
        if timestamp is not None:
            if not recent(timestamp):
                return False
            raw = timestamp.encode() + b":" + raw
        return same(digest(raw, secret), headers.get("x-grafana-alerting-signature", "").lower())

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group per service of the alert group, or of the legacy rule's series. Raises MalformedBody."""
        fields = Fields(body)
        if "alerts" in fields.values:
            return parse_alert_list("grafana", body, self.grouping.service_labels)
        if not _LEGACY_FIELDS & fields.values.keys():
            raise MalformedBody(
                "alerts is missing: send Grafana's own webhook body, without a custom payload."
                f"{other_route(fields.values)}",
                "alerts",
            )
        if ignored := _IDLE_STATES.get(fields.text("state", 64).lower()):
            return Delivery("grafana", (), ignored=ignored)
        rule = _rule(fields)
        matches = fields.items("evalMatches")
        series = self._series_by_service(fields.pairs("tags"), [_Series(match) for match in matches[:MAX_SERIES]])
        alerts = [_of_service(rule, fields.notes, service, found) for service, found in series.items()]
        key = f"rule {rule.fingerprint}"
        return Delivery("grafana", groups_of(((key, alert) for alert in alerts), len(matches[MAX_SERIES:])))

    def _series_by_service(self, rule_tags: dict[str, str], series: list[_Series]) -> dict[str, list[_Series]]:
        """The rule's own tags come before those of its series; a rule without series (all is well) has tags alone."""
        of_rule = service_of(rule_tags, {}, self.grouping.service_labels)
        if of_rule != UNNAMED or not series:
            return {of_rule: series}
        by_service: dict[str, list[_Series]] = {}
        for one in series:
            by_service.setdefault(service_of(one.tags, {}, self.grouping.service_labels), []).append(one)
        return by_service


class _Series:
    """One of `evalMatches`: a series that crossed the rule's threshold."""

    def __init__(self, match: object) -> None:
        fields = Fields(match if isinstance(match, dict) else {})
        self.tags = fields.pairs("tags") if isinstance(fields.values.get("tags"), dict) else {}
        self.shown = " = ".join(filter(None, (fields.text("metric"), fields.text("value"))))


def _rule(fields: Fields) -> Alert:
    """What the body says whichever service it is about."""
    name = fields.line("ruleName") or fields.line("title")
    tags = fields.pairs("tags")
    message = fields.text("message", MAX_STRING)
    return Alert(
        fingerprint=bounded_fingerprint(fields.text("ruleId", MAX_STRING)) or fingerprint_of(name),
        firing=not fields.over("state"),
        title=fields.line("title") or name,
        service=UNNAMED,
        labels=fields.kept("label", tags),
        annotations=fields.kept("annotation", {"message": message} if message else {}),
        links=fields.links({"ruleUrl": "Alert rule", "imageUrl": "Screenshot"}, {}),
    )


def _of_service(rule: Alert, notes: Sequence[str], service: str, series: Sequence[_Series]) -> Alert:
    own = Fields({})
    # The rule's own tags count before those of its series, also where there are too many to keep.
    labels = own.kept("label", {**rule.labels, **_common(one.tags for one in series), **rule.labels})
    measured = "\n".join(filter(None, (one.shown for one in series)))
    annotations = own.kept("annotation", {"evalMatches": measured} if measured else {})
    return replace(
        rule,
        service=service,
        title=rule.title or f"Alert for {service}",
        severity=Severity.of(labels.get("severity")),
        labels=labels,
        annotations=own.noted(rule.annotations | annotations, *notes),
    )


def _common(pairs: Iterable[dict[str, str]]) -> dict[str, str]:
    """What is the same in all of `pairs`."""
    common: dict[str, str] | None = None
    for one in pairs:
        common = one if common is None else {key: value for key, value in common.items() if one.get(key) == value}
    return common or {}


_LEGACY_FIELDS: Final = {"ruleId", "ruleName", "ruleUrl", "evalMatches"}

_IDLE_STATES: Final = {
    "": "the alert carries no state",
    "paused": "the alert rule is paused",
    "pending": "the alert is pending, it does not fire yet",
    "unknown": "the alert rule has not been evaluated yet",
}
