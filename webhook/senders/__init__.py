"""Senders: who sends alerts, one route each. Adding one is one file, one line below, one test.

A sender says whether a body is authentic and what it says, and knows nothing of the queue, the database or Flask.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, ClassVar

from shared.alert import Delivery
from shared.registry import Registry
from shared.settings import Section
from webhook.grouping import Grouping


class MalformedBody(ValueError):
    """A body that this sender cannot have meant; the message names the field and the fix."""

    def __init__(self, detail: str, field: str | None = None) -> None:
        """`field` is the JSON path of what is wrong, `alerts[0].labels`."""
        super().__init__(detail)
        self.detail = detail
        self.field = field


class NotAuthentic(Exception):
    """A body that does not come from whom it should; the message says what is wrong, and no secret."""


class Unverifiable(Exception):
    """What a signature is checked with cannot be had right now; the sender should send again."""


class Sender(ABC):
    """One kind of webhook body. Built once per process, used by all its threads."""

    configure: ClassVar[str]
    """How its webhooks show that they may, in words: settings and where their value goes."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """What else its route is called."""
    telling: ClassVar[tuple[str, ...]] = ()
    """Fields at the top of a body that give this sender away at another one's route."""
    takes_text: ClassVar[bool] = False
    """Whether it sends its JSON as text/plain."""
    config: ClassVar[type[Section] | None] = None
    """Its own settings."""

    def __init__(self, grouping: Grouping) -> None:
        """`grouping` says which labels name the service. Raises ConfigurationError."""
        self.grouping = grouping

    def authenticate(self, raw: Callable[[], bytes], headers: Mapping[str, str]) -> bool:
        """Whether the sender's own signature vouches for the raw body; False where there is nothing to check it with:
        then the webhook token counts. `raw` reads the body, which nobody has to who is not asked to. Header names are
        in lower case. Raises NotAuthentic or Unverifiable.
        """
        return False

    @abstractmethod
    def parse(self, body: Any, headers: Mapping[str, str]) -> Delivery:
        """What the body says. `body` is parsed JSON within `webhook.body`'s bounds. Raises MalformedBody."""


SENDERS: Registry[Sender] = Registry[Any](
    "sender",
    "whydown.senders",
    {
        "alert": "webhook.senders.plain:Plain",
        "alertmanager": "webhook.senders.alertmanager_v4:AlertmanagerV4",
        "azure-monitor": "webhook.senders.azure_monitor:AzureMonitor",
        "cloudevents": "webhook.senders.cloud_events:CloudEvents",
        "cloudwatch": "webhook.senders.cloudwatch:CloudWatch",
        "datadog": "webhook.senders.datadog:Datadog",
        "gcp-monitoring": "webhook.senders.google_cloud:GoogleCloud",
        "generic": "webhook.senders.generic:Generic",
        "grafana": "webhook.senders.grafana_alerting:GrafanaAlerting",
        "graylog": "webhook.senders.graylog:Graylog",
        "newrelic": "webhook.senders.new_relic:NewRelic",
        "opsgenie": "webhook.senders.opsgenie:Opsgenie",
        "pagerduty": "webhook.senders.pagerduty:PagerDuty",
        "pingdom": "webhook.senders.pingdom:Pingdom",
        "sentry": "webhook.senders.sentry:Sentry",
        "splunk": "webhook.senders.splunk_observability:SplunkObservability",
        "uptime-kuma": "webhook.senders.uptime_kuma:UptimeKuma",
        "zabbix": "webhook.senders.zabbix:Zabbix",
    },
)


@lru_cache(256)
def canonical(name: str) -> str:
    """The name of a sender as the registry has it, however it is written: `uptime_kuma`, `UptimeKuma`, `gcp`."""
    return _spellings().get(_folded(name), name)


@cache
def _spellings() -> dict[str, str]:
    aliases = {_folded(alias): name for name, kind in SENDERS for alias in kind.aliases}
    return aliases | {_folded(name): name for name in SENDERS.names()}


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
