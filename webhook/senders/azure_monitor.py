"""Azure Monitor's common alert schema: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-common-schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.alert import Delivery, Severity
from webhook.fields import Fields, other_route
from webhook.grouping import groups_of, service_of
from webhook.reported_alert import Reported, first, tags_of, within
from webhook.senders import MalformedBody, Sender

_SEVERITIES: Final = {
    "sev0": Severity.CRITICAL,
    "sev1": Severity.HIGH,
    "sev2": Severity.WARNING,
    "sev3": Severity.INFO,
    "sev4": Severity.INFO,
}
"""Critical, Error, Warning, Informational, Verbose."""


class AzureMonitor(Sender):
    """Azure Monitor, by the common alert schema.

    The service is told by the custom properties or a dimension, else it is the first of the
    resources that the alert names.
    """

    configure = "WHYDOWN_WEBHOOK_TOKEN in the address"
    aliases = ("azure",)
    telling = ("schemaId", "essentialsVersion")

    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """One group of one alert. Raises MalformedBody."""
        Fields(body)
        told = within(body, "data", "essentials")
        if not isinstance(told, dict):
            detail = "data.essentials is missing: enable the common alert schema in the action group."
            raise MalformedBody(f"{detail}{other_route(body)}", "data.essentials")
        context = within(body, "data", "alertContext")
        conditions = within(context, "condition", "allOf")
        conditions = [each for each in conditions if isinstance(each, dict)] if isinstance(conditions, list) else []
        dimensions = {name: value for each in conditions for name, value in tags_of(each.get("dimensions")).items()}
        properties = {**tags_of(within(context, "properties")), **tags_of(within(body, "data", "customProperties"))}
        labels = {**dimensions, **tags_of(within(context, "labels")), **properties}
        named = service_of(labels, {}, self.grouping.service_labels, unnamed="")
        resource = first(
            [within(told, "configurationItems", 0), first([within(told, "alertTargetIDs", 0)]).rpartition("/")[2]]
        )
        reported = Reported(
            title=told.get("alertRule"),
            identity=first([told.get("originAlertId"), told.get("alertId")]),
            service=first([named, _role(dimensions), resource]),
            firing=first([told.get("monitorCondition")]).lower() != "resolved",
            severity=_SEVERITIES.get(first([told.get("severity")]).lower(), Severity.UNKNOWN),
            started=told.get("firedDateTime"),
            ended=told.get("resolvedDateTime"),
            labels={
                **labels,
                "resource": resource,
                "signalType": told.get("signalType"),
                "monitoringService": told.get("monitoringService"),
            },
            annotations={
                **tags_of(within(context, "annotations")),
                "description": told.get("description"),
                "condition": "; ".join(map(_condition, conditions)),
            },
            pages={"Azure": first([told.get("investigationLink"), within(conditions, 0, "linkToSearchResultsUI")])},
            errors=first([within(context, "error"), within(context, "statusMessage")]),
        )
        alert = reported.alert()
        return Delivery("azure", groups_of([(alert.fingerprint, alert)]))


def _role(dimensions: Mapping[str, str]) -> str:
    """Application Insights' name of a service."""
    return first(dimensions.get(name) for name in ("cloud/roleName", "cloud_RoleName", "AppRoleName"))


def _condition(each: Mapping[str, Any]) -> str:
    what = first([each.get("metricName"), each.get("searchQuery"), each.get("metricMeasureColumn")])
    return " ".join(
        filter(
            None,
            (
                what,
                first([each.get("operator")]),
                first([each.get("threshold")]),
                f"(was {first([each.get('metricValue')])})",
            ),
        )
    )
