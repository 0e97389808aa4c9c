"""How far around the alerted service an investigation looks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from worker.inquiry import Component

FARTHEST: Final = 3
"""Steps along the dependencies: what fails three doors away still fails those who knock."""

MOST_SIBLINGS: Final = 6
"""Other components of the same system: catalogs seldom know every dependency."""


def around(component: Component, known: Mapping[str, Component]) -> tuple[Component, ...]:
    """The components around one, of those that are known: its direct neighbours, then what its dependencies depend on,
    step by step, then others of its system. Cycles and names without an entry do no harm.
    """
    found: dict[str, Component] = {}
    for ref in (*component.depends_on, *component.dependents):
        if ref in known and ref != component.ref:
            found.setdefault(ref, known[ref])
    edge = [known[ref] for ref in component.depends_on if ref in known]
    for _ in range(FARTHEST - 1):
        beyond = [known[ref] for each in edge for ref in each.depends_on if ref in known]
        edge = [each for each in beyond if each.ref not in found and each.ref != component.ref]
        found.update((each.ref, each) for each in edge)
    of_system = [each for each in known.values() if each.system == component.system] if component.system else []
    siblings = [
        each
        for each in of_system
        if each.kind.lower() == "component" and each.ref not in found and each.ref != component.ref
    ]
    found.update((each.ref, each) for each in siblings[:MOST_SIBLINGS])
    return tuple(found.values())
