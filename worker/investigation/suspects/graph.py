"""Who needs whom, and who asks more than it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from shared.incident import Fact
from worker.inquiry import Scope
from worker.investigation.scope import name_of
from worker.investigation.suspects import weights

MORE: Final = 1.7
"""Times as many requests as before, from which there are clearly more."""


def needs(scope: Scope) -> dict[str, frozenset[str]]:
    """For each service that the catalog knows, those that it depends on itself."""
    known = [each for each in (scope.component, *scope.neighbours) if each is not None]
    return {each.name: frozenset(map(name_of, each.depends_on)) for each in known}


def more_requests(facts: Iterable[Fact]) -> list[Fact]:
    """The metrics of requests that came in clearly more often."""
    return [
        fact
        for fact in facts
        if fact.kind == "metric"
        and fact.data.get("direction") == "up"
        and _counts_requests(str(fact.data.get("metric")))
        and (fact.data.get("ratio") or 0) >= MORE
    ]


def multiplied(facts: Sequence[Fact], needed: Mapping[str, frozenset[str]]) -> list[Fact]:
    """Of those, the ones of services whose callers are asked no more often than before: what comes in, they make."""
    more = more_requests(facts)
    asked_more = {fact.service for fact in more}
    asked_as_ever = {
        fact.service
        for fact in facts
        if fact.kind == "metric"
        and fact.data.get("shape") == "steady"
        and any(map(_counts_requests, fact.data.get("metrics", ())))
    }
    return [
        fact
        for fact in more
        if (callers := {name for name, those in needed.items() if fact.service in those})
        and callers & asked_as_ever
        and not callers & asked_more
    ]


def _counts_requests(metric: str) -> bool:
    return weights.REQUESTS.search(metric) is not None and weights.NO_REQUESTS.search(metric) is None
