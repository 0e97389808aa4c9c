"""Which service an alert is about, and which alerts are one incident."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from shared.alert import SERVICE_LABELS, UNNAMED, Alert, AlertGroup
from shared.settings import Section, Words, setting
from webhook.body import one_line

MAX_SERVICE: Final = 128
"""Characters of a service's name."""

MAX_TITLE: Final = 512
"""Characters of a title."""

MAX_FINGERPRINT: Final = 256
"""Characters of a fingerprint."""


class Grouping(Section):
    """How alerts are told apart."""

    service_labels: Words = setting(
        "WHYDOWN_SERVICE_LABELS",
        default=SERVICE_LABELS,
        description="Alert labels that may name the service, the first that is set counts. Case and punctuation do "
        "not matter: `service_name` also finds `service.name` and `serviceName`.",
    )


def service_of(
    labels: Mapping[str, str], annotations: Mapping[str, str], service_labels: Sequence[str], unnamed: str = UNNAMED
) -> str:
    """The service that an alert names: by an entity ref in a label or annotation, else by the first of
    `service_labels` that is set. `unnamed` when it names none.
    """
    folded_labels, folded_annotations = _folded(labels), _folded(annotations)
    for source in (folded_labels, folded_annotations):
        for name in _ENTITY_REF_NAMES:
            if name in source and (service := one_line(_name_of_ref(source[name]), MAX_SERVICE)):
                return service
    for name in service_labels:
        if service := one_line(folded_labels.get(_fold(name)), MAX_SERVICE):
            return service
    return unnamed


def fingerprint_of(*parts: str) -> str:
    """A stable identity for an alert whose sender gives none: equal for equal parts only."""
    return hashlib.sha256("\x00".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()[:32]


def bounded_fingerprint(given: str) -> str:
    """The sender's fingerprint; one that is too long to store gives way to its hash, so that two never become one."""
    return given if len(given) <= MAX_FINGERPRINT else fingerprint_of(given)


def groups_of(keyed: Iterable[tuple[str, Alert]], truncated: int = 0) -> tuple[AlertGroup, ...]:
    """Alerts with their sender's group key, gathered into one group per key and service, in order of both.

    `truncated` counts the alerts that are not in the delivery. Nobody knows whose they are, so each group tells it.
    """
    gathered: dict[tuple[str, str], list[Alert]] = {}
    for key, alert in keyed:
        gathered.setdefault((key, alert.service), []).append(alert)
    return tuple(
        AlertGroup(key, service, _title(alerts), tuple(alerts), truncated)
        for (key, service), alerts in sorted(gathered.items())
    )


def _title(alerts: Sequence[Alert]) -> str:
    """What fits them all: the title they share, else their alertname, else the first one's title. What is over does
    not name what is still firing.
    """
    telling = [alert for alert in alerts if alert.firing] or alerts
    titles = {alert.title for alert in telling}
    names = {alert.labels.get("alertname", "") for alert in telling}
    if len(titles) > 1 and len(names) == 1 and (name := one_line(names.pop(), MAX_TITLE)):
        return name
    return telling[0].title


_ENTITY_REF_NAMES: Final = ("entityref", "backstageentityref", "backstageioentityref")

_REF: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9]*:)?(?:[A-Za-z0-9._-]+/)?(?P<name>.+)", re.DOTALL)
"""`[kind:][namespace/]name`, https://backstage.io/docs/features/software-catalog/references"""


def _name_of_ref(ref: str) -> str:
    match = _REF.fullmatch(ref.strip())
    return match["name"] if match else ""


def _folded(pairs: Mapping[str, str]) -> dict[str, str]:
    folded: dict[str, str] = {}
    for name, value in pairs.items():
        if value.strip():
            folded.setdefault(_fold(name), value)
    return folded


@lru_cache(2_048)
def _fold(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
