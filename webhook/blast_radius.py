"""Who needs the service and what it needs, as a small graph: which of them fail too, and where the suspect is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.incident import Fact, Incident

WIDTH: Final = 360.0
_NODE: Final = 108.0
_HEIGHT: Final = 36.0
_GAP: Final = 8.0
_TOP: Final = 26.0
_MOST: Final = 6
"""Services on each side; more are counted."""
_LONGEST: Final = 15
"""Characters of a name that fit a line of a node; it has two."""

_COLUMNS: Final = {"dependent": 0.0, "service": (WIDTH - _NODE) / 2, "dependency": WIDTH - _NODE}


@dataclass(frozen=True, slots=True)
class Node:
    """One service."""

    service: str
    lines: tuple[str, ...]
    """The name in one line or two, cut to what fits."""
    role: str
    """`service`, `dependent` or `dependency`."""
    x: float
    y: float
    failing: bool
    """Whether errors of its own were found, or another incident of it is open."""
    suspect: bool
    """Whether the change that is suspected most is in it."""


@dataclass(frozen=True, slots=True)
class Edge:
    """Who needs whom: from the right of one to the left of the other."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True, slots=True)
class Graph:
    """What is to be drawn."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    height: float
    left_out: int


def graph(document: Incident) -> Graph | None:
    """The graph, or None when nobody is known around the service."""
    sides = {role: _names(document, role) for role in ("dependent", "dependency")}
    if not any(sides.values()):
        return None
    failing, suspect = _failing(document), _suspected(document)
    tallest = max(min(len(names), _MOST) for names in sides.values())
    height = _TOP + tallest * (_HEIGHT + _GAP)
    middle = _TOP + (tallest * (_HEIGHT + _GAP) - _GAP) / 2 - _HEIGHT / 2
    nodes = [_node(document.service, "service", middle, failing | {document.service}, suspect)]
    for role, names in sides.items():
        shown = names[:_MOST]
        begin = _TOP + (tallest - len(shown)) * (_HEIGHT + _GAP) / 2
        nodes += [
            _node(name, role, begin + place * (_HEIGHT + _GAP), failing, suspect) for place, name in enumerate(shown)
        ]
    left_out = sum(max(0, len(names) - _MOST) for names in sides.values())
    return Graph(tuple(nodes), tuple(_edge(nodes[0], other) for other in nodes[1:]), height, left_out)


def _node(service: str, role: str, y: float, failing: set[str], suspect: str) -> Node:
    return Node(service, _lines(service), role, _COLUMNS[role], round(y, 1), service in failing, service == suspect)


def _lines(service: str) -> tuple[str, ...]:
    if len(service) <= _LONGEST:
        return (service,)
    # At the last of the name's own joints that leaves a full line, else wherever the line ends.
    first = max((service.rfind(joint, 0, _LONGEST) for joint in "-_./ "), default=-1) + 1 or _LONGEST
    rest = service[first:]
    return service[:first], rest if len(rest) <= _LONGEST else f"{rest[: _LONGEST - 1]}…"


def _edge(service: Node, other: Node) -> Edge:
    left, right = (other, service) if other.role == "dependent" else (service, other)
    return Edge(left.x + _NODE, left.y + _HEIGHT / 2, right.x, right.y + _HEIGHT / 2)


def _names(document: Incident, role: str) -> list[str]:
    """The neighbours on one side, those with errors of their own first."""
    failing = _failing(document)
    of_role = (fact.service for fact in document.facts if fact.kind == role and fact.service)
    found = dict.fromkeys(name for name in of_role if name != document.service)
    return sorted(found, key=lambda name: name not in failing)


def _failing(document: Incident) -> set[str]:
    logged = {fact.service for fact in document.facts if _is_error(fact) and fact.service}
    return logged | {other.service for other in document.related}


def _is_error(fact: Fact) -> bool:
    risen = fact.data.get("change") in (None, "new", "up")
    return fact.kind == "signature" and fact.data.get("level") == "error" and risen


def _suspected(document: Incident) -> str:
    suspects = document.brief.suspects if document.brief and document.brief.verdict == "change" else ()
    return suspects[0].service if suspects else ""
