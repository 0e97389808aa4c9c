"""Whom to look at and when, and what the catalog itself has to say about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.incident import Fact
from shared.settings import Investigation
from worker.inquiry import CatalogMatch, Component, Scope, Target, Window

MOST_DEPENDENCIES: Final = 10
"""Direct dependencies that are looked at: the culprit is often next door, seldom at the eleventh door."""

SERVICE_KINDS: Final = ("component", "resource", "api")


def window(alert_at: datetime, settings: Investigation, moment: datetime) -> Window:
    """The spans around an alert. Nothing is asked of the future, and an alert from the future starts now."""
    start = min(alert_at, moment)
    logs_since = start - timedelta(minutes=settings.logs_minutes)
    return Window(
        alert_at=start,
        changes_since=start - timedelta(hours=settings.changes_hours),
        baseline_since=logs_since - timedelta(minutes=settings.baseline_minutes),
        logs_since=logs_since,
        until=min(start + timedelta(minutes=settings.logs_minutes), moment),
    )


def make(service: str, match: CatalogMatch | None, spans: Window) -> Scope:
    """The scope of an investigation; without a match only the name that the alert gave is looked at."""
    if match is None or match.component is None:
        return Scope(targets=(Target(service=service, role="alerted", log_names=(service,)),), window=spans)
    component = match.component
    known = {neighbour.ref: neighbour for neighbour in match.neighbours}
    dependencies = [
        _target(known.get(ref), ref, "dependency") for ref in component.depends_on if kind_of(ref) in SERVICE_KINDS
    ]
    return Scope(
        targets=(_target(component, component.ref, "alerted"), *dependencies[:MOST_DEPENDENCIES]),
        window=spans,
        component=component,
        neighbours=match.neighbours,
    )


def catalog_facts(match: CatalogMatch) -> tuple[Fact, ...]:
    """What the catalog says about the service and its neighbours."""
    component = match.component
    if component is None:
        return ()
    known = {neighbour.ref: neighbour for neighbour in match.neighbours}
    return (
        Fact(source="catalog", kind="service", service=component.name, text=_describe(component)),
        *_neighbours("dependency", "depends on", component, component.depends_on, known),
        *_neighbours("dependent", "is needed by", component, component.dependents, known),
    )


def name_of(ref: str) -> str:
    """The name in an entity ref."""
    return ref.rpartition("/")[2].rpartition(":")[2]


def kind_of(ref: str) -> str:
    """The kind in an entity ref; `component` when it names none."""
    return ref.partition(":")[0].lower() if ":" in ref else "component"


def _target(component: Component | None, ref: str, role: Literal["alerted", "dependency"]) -> Target:
    name = component.name if component else name_of(ref)
    annotations = component.annotations if component else {}
    log_names = dict.fromkeys(filter(None, (name, annotations.get("backstage.io/kubernetes-id"))))
    return Target(
        service=name,
        role=role,
        ref=ref,
        repository=component.repository if component else None,
        log_names=tuple(log_names),
    )


def _describe(component: Component) -> str:
    parts = [f"{component.kind} {component.name}: {component.description or 'no description'}"]
    for label, value in (
        ("type", component.type),
        ("lifecycle", component.lifecycle),
        ("owner", component.owner),
        ("system", component.system),
        ("tags", ", ".join(component.tags)),
        ("depends on", ", ".join(component.depends_on)),
        ("needed by", ", ".join(component.dependents)),
    ):
        if value:
            parts.append(f"{label}: {value}")
    return "; ".join(parts)


def _neighbours(
    kind: str, relation: str, component: Component, refs: Iterable[str], known: dict[str, Component]
) -> list[Fact]:
    facts = []
    for ref in list(refs)[:50]:
        neighbour = known.get(ref)
        about = _describe(neighbour) if neighbour else "not in the catalog"
        facts.append(
            Fact(source="catalog", kind=kind, service=name_of(ref), text=f"{component.name} {relation} {ref} ({about})")
        )
    return facts
