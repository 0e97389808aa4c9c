"""The demonstration's incident, laid out with real parts: a catalog, git repositories and log files, timed to end now.

At 3:12 in the morning invoice-api answers 500. A deploy four minutes earlier changed the connection string from `Host=`
to `Server=`; the repository's own GOTCHA.md says not to. Around it there is what makes such a morning hard: harmless
commits before and after, another service's deploy, and errors that are always there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from shared.moment import rfc3339
from whydown.demo_logs import write_logs
from whydown.demo_repositories import make_repositories

_DEPLOYED: Final = timedelta(minutes=4)


@dataclass(frozen=True, slots=True)
class Scene:
    """The incident, ready to be sent."""

    title: str
    guilty_commit: str
    """The sha that the diagnosis ought to name."""
    settings: dict[str, str]
    """What points Whydown at the scene."""
    deployments: tuple[dict[str, Any], ...]
    """Bodies for POST /deployments."""
    alert: dict[str, Any]
    """Body for POST /webhook/alertmanager."""


def lay_out(folder: Path, at: datetime) -> Scene:
    """Writes the scene of an alert that fires `at`. Raises WhydownError when there is no git."""
    catalog, repositories, logs = folder / "catalog", folder / "repositories", folder / "logs"
    for made in (catalog, repositories, logs):
        made.mkdir(parents=True)
    (catalog / "catalog-info.yaml").write_text(_CATALOG)
    guilty = make_repositories(repositories, at)
    write_logs(logs, deployed=at - _DEPLOYED, until=at)
    return Scene(
        title=_SUMMARY,
        guilty_commit=guilty,
        settings={
            "WHYDOWN_CATALOG": str(catalog),
            "WHYDOWN_REPOSITORIES": str(repositories),
            "WHYDOWN_LOG_FILES": str(logs),
        },
        deployments=(
            _deployment("payment-gateway", "3.8.1", at - timedelta(hours=5)),
            _deployment("invoice-api", "1.42.0", at - _DEPLOYED, commit=guilty),
        ),
        alert=_alert(at),
    )


def _deployment(service: str, version: str, at: datetime, **more: str) -> dict[str, Any]:
    return {"service": service, "version": version, "startedAt": rfc3339(at), "environment": "production", **more}


_SUMMARY: Final = "invoice-api: more than 5 % of the requests answer 500"


def _alert(at: datetime) -> dict[str, Any]:
    """As Alertmanager sends it, webhook version 4 (https://prometheus.io/docs/alerting/latest/configuration/)."""
    labels = {
        "alertname": "InvoiceApiErrorRate",
        "service": "invoice-api",
        "severity": "critical",
        "namespace": "billing",
    }
    annotations = {"summary": _SUMMARY, "description": "The error rate has been above its threshold for two minutes."}
    return {
        "version": "4",
        "groupKey": '{}:{alertname="InvoiceApiErrorRate", service="invoice-api"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "whydown",
        "groupLabels": {"alertname": labels["alertname"], "service": labels["service"]},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager.example.test:9093",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": rfc3339(at),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example.test:9090/graph",
                "fingerprint": "6f3b2d1c9a8e7f50",
            }
        ],
    }


_CATALOG: Final = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: invoice-api
  title: Invoice API
  description: Creates, sends and stores invoices. Publishes an event on Service Bus for each.
  tags: [dotnet, postgresql, service-bus]
  annotations:
    github.com/project-slug: acme/invoice-api
spec:
  type: service
  lifecycle: production
  owner: group:default/billing
  system: invoicing
  dependsOn:
    - resource:default/invoice-db
    - component:default/payment-gateway
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: notification-service
  description: Consumes the events of invoice-api from Service Bus and sends e-mails to customers.
  tags: [dotnet, service-bus]
  annotations:
    github.com/project-slug: acme/notification-service
spec:
  type: service
  lifecycle: production
  owner: group:default/messaging
  system: invoicing
  dependsOn:
    - component:default/invoice-api
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: payment-gateway
  description: Takes payments for invoices.
  tags: [go]
  annotations:
    github.com/project-slug: acme/payment-gateway
spec:
  type: service
  lifecycle: production
  owner: group:default/payments
  system: invoicing
---
apiVersion: backstage.io/v1alpha1
kind: Resource
metadata:
  name: invoice-db
  title: Invoice database
  description: PostgreSQL 16 at 10.0.1.5:5432
spec:
  type: postgresql
  owner: group:default/billing
  system: invoicing
---
apiVersion: backstage.io/v1alpha1
kind: System
metadata:
  name: invoicing
spec:
  owner: group:default/billing
---
apiVersion: backstage.io/v1alpha1
kind: Group
metadata:
  name: billing
spec:
  type: team
  children: []
"""
