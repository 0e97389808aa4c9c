"""Which component an alert is about. There is no standard: the alert's own refs count first, then what components say
about alerts in their annotations, then the names that the alert carries.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shared.alert import SERVICE_LABELS, UNNAMED
from worker.catalog_model.entities import parse_ref
from worker.inquiry import AlertSubject, Component

REF_KEYS: Final = ("entity_ref", "entityRef", "backstage_entity_ref", "backstage.io/entity-ref")
"""Labels and annotations of an alert that may hold an entity ref."""

ALERT_NAMES: Final = "prometheus.io/alert"
LABEL_SELECTOR: Final = "grafana/alert-label-selector"
KUBERNETES_ID: Final = "backstage.io/kubernetes-id"

MATCHED_KINDS: Final = ("component", "resource", "system")
"""Kinds that are found by their name: an alert may be about a database, or about a whole system."""

CLOSEST: Final = 5

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Hint:
    """Something in the alert that may name its component."""

    value: str
    where: str
    """In words, where the alert says it."""


def explicit_refs(subject: AlertSubject) -> list[Hint]:
    """The full entity refs that the alert names, the caller's first."""
    said = [("the request's entityRef", subject.entity_ref)] if _is_qualified(subject.entity_ref) else []
    for place, values in (("label", subject.labels), ("annotation", subject.annotations)):
        said += [(f"the alert's {place} {key}", values.get(key)) for key in REF_KEYS]
    return [Hint(ref, where) for where, text in said if (ref := parse_ref(text))]


def names(subject: AlertSubject) -> list[Hint]:
    """The names that the alert carries, likeliest first: only such as a component may have."""
    said = [("the request's entityRef", subject.entity_ref)] if not _is_qualified(subject.entity_ref) else []
    if subject.service != UNNAMED:
        said.append(("the alert's service", subject.service))
    said += [(f"the alert's label {label}", subject.labels.get(label)) for label in SERVICE_LABELS]
    hints: dict[str, Hint] = {}
    for where, value in said:
        # Prometheus Operator names a job `namespace/name`.
        name = (value or "").strip().rpartition("/")[2]
        if _NAME.fullmatch(name):
            hints.setdefault(name.lower(), Hint(name, where))
    return list(hints.values())


class Directory:
    """Components as they are looked for: made once for all alerts."""

    def __init__(self, components: Iterable[Component]) -> None:
        """Of components that an alert may mean equally, those of the kinds found by name and of the default namespace
        come first.
        """
        known = sorted(components, key=_preference)
        self._by_ref = {component.ref: component for component in known}
        self._by_name = _grouped((item.name, item) for item in known if item.kind.lower() in MATCHED_KINDS)
        self._labelled = _grouped((item.annotations.get(KUBERNETES_ID, "").strip(), item) for item in known)
        self._claiming = [item for item in known if item.annotations.keys() & {ALERT_NAMES, LABEL_SELECTOR}]

    def choose(self, subject: AlertSubject) -> tuple[Component, str] | None:
        """The component that the alert is about, and in words why; None when no component is meant for certain."""
        for hint in explicit_refs(subject):
            if hint.value in self._by_ref:
                return self._by_ref[hint.value], f"{hint.where} is {hint.value}"
        if _is_qualified(subject.entity_ref):
            # Whoever asked for one entity by its full ref would be misled by another of the same name.
            return None
        hints = names(subject)
        claims = [(component, how) for component in self._claiming if (how := claim(component, subject))]
        named = {hint.value.lower() for hint in hints}
        chosen = [found for found in claims if found[0].name.lower() in named] or claims
        if len(chosen) == 1:
            return chosen[0]
        return next(self._named(hints), None)

    def _named(self, hints: Sequence[Hint]) -> Iterator[tuple[Component, str]]:
        for hint in hints:
            wanted = hint.value.lower()
            named, labelled = self._by_name.get(wanted), self._labelled.get(wanted)
            # A service known to Kubernetes by that name is likelier meant than a database or system that is called so.
            if named and (named[0].kind.lower() == "component" or not labelled):
                others = f", one of {len(named)} entities of that name" if len(named) > 1 else ""
                yield named[0], f"{hint.where} is its name{others}"
            elif labelled:
                yield labelled[0], f"{hint.where} is its {KUBERNETES_ID}"


def claim(component: Component, subject: AlertSubject) -> str | None:
    """In words, how the component's annotations claim this alert for it; None when they do not."""
    alert_name = subject.labels.get("alertname") or subject.title
    if alert_name and alert_name in map(str.strip, component.annotations.get(ALERT_NAMES, "").split(",")):
        return f"its annotation {ALERT_NAMES} names {alert_name}"
    selector = component.annotations.get(LABEL_SELECTOR, "")
    pairs = [pair.partition("=") for pair in selector.split(",") if pair.strip()]
    if pairs and all(
        equals and subject.labels.get(label.strip()) == value.strip().strip("\"'") for label, equals, value in pairs
    ):
        return f"its annotation {LABEL_SELECTOR} is {selector}"
    return None


def closest(subject: AlertSubject, known: Iterable[str]) -> tuple[str, ...]:
    """The known names most like the likeliest name that the alert carries, at most CLOSEST."""
    by_lower = {name.lower(): name for name in known}
    wanted = [ref.value.rpartition("/")[2] for ref in explicit_refs(subject)] + [hint.value for hint in names(subject)]
    for name in wanted:
        if found := difflib.get_close_matches(name.lower(), by_lower, n=CLOSEST, cutoff=0.5):
            return tuple(by_lower[lower] for lower in found)
    return ()


def _grouped(items: Iterable[tuple[str, Component]]) -> dict[str, list[Component]]:
    groups: dict[str, list[Component]] = {}
    for name, component in items:
        groups.setdefault(name.lower(), []).append(component)
    return groups


def _preference(component: Component) -> tuple[int, bool, str]:
    kind = component.kind.lower()
    rank = MATCHED_KINDS.index(kind) if kind in MATCHED_KINDS else len(MATCHED_KINDS)
    return rank, not component.ref.partition(":")[2].startswith("default/"), component.ref


def _is_qualified(ref: str | None) -> bool:
    return ref is not None and (":" in ref or "/" in ref)
