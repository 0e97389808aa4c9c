"""Whom to look at and when, and what the catalog itself has to say about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.incident import Fact
from shared.settings import Investigation
from worker.inquiry import CatalogMatch, Component, Scope, Target, Window

MOST_DEPENDENCIES: Final = 10
"""Dependencies that are looked at, near ones first: the culprit is often next door, seldom at the eleventh door."""

MOST_OTHERS: Final = 5
"""Callers, which may drown what they call, and others of the same system."""

Role = Literal["alerted", "dependency", "dependent", "sibling"]

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
    dependencies = list(dict.fromkeys(ref for ref in (*component.depends_on, *_beyond(component, known)) if _runs(ref)))
    callers = [ref for ref in component.dependents if ref in known and _runs(ref) and ref not in dependencies]
    siblings = [ref for ref in known if _runs(ref) and ref not in dependencies and ref not in callers]
    others: list[tuple[str, Role]] = [*((ref, "dependent") for ref in callers), *((ref, "sibling") for ref in siblings)]
    return Scope(
        targets=(
            _target(component, component.ref, "alerted"),
            *(_target(known.get(ref), ref, "dependency") for ref in dependencies[:MOST_DEPENDENCIES]),
            *(_target(known.get(ref), ref, role) for ref, role in others[:MOST_OTHERS]),
        ),
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


def _beyond(component: Component, known: dict[str, Component]) -> list[str]:
    """What the dependencies need in their turn, near ones first."""
    found: dict[str, None] = {}
    edge = list(component.depends_on)
    while edge:
        edge = [
            ref
            for each in edge
            if each in known
            for ref in known[each].depends_on
            if ref not in found and ref != component.ref
        ]
        found.update(dict.fromkeys(edge))
    return list(found)


def _runs(ref: str) -> bool:
    return kind_of(ref) in SERVICE_KINDS


def _target(component: Component | None, ref: str, role: Role) -> Target:
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
