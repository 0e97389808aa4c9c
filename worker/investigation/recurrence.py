"""Earlier incidents that showed the same error signatures: which of them, how alike, and what is said of them.

A signature counts by its rarity, as terms do in search (inverse document frequency, Spärck Jones 1972): one that every
incident has says nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.incident import Fact, SimilarIncident
from shared.moment import rfc3339
from shared.recurrence import Outcome, Past, Sighting
from worker.investigation.inert import clip, inert
from worker.investigation.severity import ERROR

SOURCE: Final = "incidents.whydown"

MOST_KEYS: Final = 20
MOST_SIMILAR: Final = 5
MOST_OF_A_GROUP: Final = 50
"""Incidents of one group, the latest, that are looked through for what somebody said of them."""

LEAST_SCORE: Final = 0.1
ALIKE: Final = 0.5
"""A score from which an earlier incident belongs into the summary."""
LEAST_WEIGHT: Final = 0.1
"""What the shared signatures must weigh together: one that nine of ten incidents have weighs less."""

_FORM: Final = "2"
"""Of the keys. Raise it when the same signature gets another key; old incidents are then not found any more."""

_LONGEST: Final = 1_000
_SHORT: Final = 200


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Earlier incidents of one service that share the same of the signatures."""

    service: str
    incidents: tuple[str, ...]
    """Newest first."""
    count: int
    since: datetime
    keys: frozenset[str]
    score: float
    """0 to 1: the share of this incident's signatures that they showed, by rarity."""


def keys(facts: Sequence[Fact]) -> dict[str, str]:
    """The key of each telling error signature, by the fact's id: equal wherever the same service logs the same error.
    Those that the window before had too tell nothing of the incident, unless there are no others.
    """
    errors = [fact for fact in facts if fact.kind == "signature" and fact.data.get("level") == ERROR]
    new = [fact for fact in errors if not fact.data.get("baselineCount")]
    often = sorted(new or errors, key=lambda fact: -(fact.count or 0))
    return {fact.id: _key(fact) for fact in often[:MOST_KEYS] if fact.data.get("template")}


def recurrences(own: frozenset[str], service: str, past: Past) -> list[Recurrence]:
    """The groups of earlier incidents that share enough of the signatures `own`: those of the same `service` first,
    then the most alike, then the latest; at most MOST_SIMILAR.
    """
    weight = _weights(own, past)
    shared: dict[str, set[str]] = defaultdict(set)
    seen: dict[str, Sighting] = {}
    for sighting in past.sightings:
        shared[sighting.incident_id].add(sighting.key)
        seen[sighting.incident_id] = sighting
    groups: dict[tuple[str, frozenset[str]], list[Sighting]] = defaultdict(list)
    for incident_id, showed in shared.items():
        groups[seen[incident_id].service, frozenset(showed)].append(seen[incident_id])
    all_weight = sum(weight.values()) or 1.0
    made = []
    for (whose, found), sightings in groups.items():
        together = sum(weight[key] for key in found)
        if together >= LEAST_WEIGHT and together / all_weight >= LEAST_SCORE:
            sightings.sort(key=lambda sighting: (sighting.started_at, sighting.incident_id), reverse=True)
            ids = tuple(sighting.incident_id for sighting in sightings[:MOST_OF_A_GROUP])
            score = round(together / all_weight, 2)
            made.append(Recurrence(whose, ids, len(sightings), sightings[-1].started_at, found, score))
    latest = {group.incidents: seen[group.incidents[0]].started_at.timestamp() for group in made}
    made.sort(key=lambda group: (group.service != service, -group.score, -latest[group.incidents]))
    return made[:MOST_SIMILAR]


def fact(recurrence: Recurrence, outcome: Outcome, own: Mapping[str, str], url: str | None) -> Fact:
    """An earlier incident as a fact: what a claim about it may rest on. `own` is what `keys` gave."""
    said = outcome.feedback
    # Only the first line: those after it tell of incidents before that one.
    cause = outcome.cause.partition("\n")[0] if outcome.cause else None
    similar = SimilarIncident(
        id=outcome.incident_id,
        at=outcome.started_at,
        service=recurrence.service,
        title=outcome.title,
        count=recurrence.count,
        since=recurrence.since,
        score=recurrence.score,
        cause=cause,
        suspect_change=outcome.suspect_change,
        verdict=said.verdict if said else None,
        actual_cause=said.actual_cause if said else None,
        fixed_by=said.fixed_by if said else None,
        signatures=tuple(name for name, key in own.items() if key in recurrence.keys),
    )
    return Fact(
        source=SOURCE,
        kind="similar",
        service=recurrence.service,
        text=_told(similar, len(own)),
        url=url,
        count=recurrence.count,
        data=similar.wire(),
    )


def similar_incidents(facts: Sequence[Fact]) -> tuple[SimilarIncident, ...]:
    """The earlier incidents among the facts, as they were ranked."""
    return tuple(
        SimilarIncident.model_validate(fact.data | {"fact": fact.id}) for fact in facts if fact.kind == "similar"
    )


def history(similar: SimilarIncident) -> str:
    """How often, when, what it was and what fixed it, in a sentence or two of inert text."""
    on = day(similar.at)
    since = day(similar.since or similar.at)
    often = f"once before, on {on}" if similar.count == 1 else f"{similar.count} times before, since {since}"
    seen = f"{inert(similar.service, _SHORT)} showed errors like these {often}"
    ends = [
        f"it was “{inert(similar.actual_cause, _SHORT)}”" if similar.actual_cause else "",
        f"fixed by “{inert(similar.fixed_by, _SHORT)}”" if similar.fixed_by else "",
    ]
    if not any(ends):
        ends = ["the diagnosis was wrong" if similar.verdict == "wrong" else ""]
    told = ", ".join(filter(None, ends))
    if not told:
        return f"{seen}."
    return f"{seen}: {told}." if similar.count == 1 else f"{seen}. On {on}: {told}."


def day(moment: datetime) -> str:
    """The date in UTC."""
    return str(rfc3339(moment))[:10]


def _key(fact: Fact) -> str:
    shape = " ".join(str(fact.data["template"]).split())
    told = "\x00".join((_FORM, fact.service or "", str(fact.data["level"]), shape))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _weights(own: frozenset[str], past: Past) -> dict[str, float]:
    counted = [each for each in past.sightings if past.since is None or each.started_at >= past.since]
    having = Counter(sighting.key for sighting in counted)
    incidents = max(past.incidents, len({sighting.incident_id for sighting in counted}), 1)
    return {key: math.log((incidents + 1) / max(having[key], 1)) for key in own}


def _told(similar: SimilarIncident, signatures: int) -> str:
    shown = f"{len(similar.signatures)} of the {signatures} error signatures seen now ({', '.join(similar.signatures)})"
    often = f"; {similar.count} such incidents since {rfc3339(similar.since)}" if similar.count > 1 else ""
    lines = [
        f"earlier incident of {similar.service} that began {rfc3339(similar.at)}: {clip(similar.title, _SHORT)}",
        f"it showed {shown}{often}",
        f"diagnosis then: {clip(similar.cause, _LONGEST)}" if similar.cause else "",
        f"suspect change then: {similar.suspect_change}" if similar.suspect_change else "",
        f"people judged that diagnosis: {similar.verdict}" if similar.verdict else "",
        f"actual cause, as people tell it: {clip(similar.actual_cause, _LONGEST)}" if similar.actual_cause else "",
        f"fixed by, as people tell it: {clip(similar.fixed_by, _LONGEST)}" if similar.fixed_by else "",
    ]
    return "\n".join(filter(None, lines))
