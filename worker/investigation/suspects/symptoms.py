"""What the incident shows: which services fail, in what ways, and in which words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.incident import Fact
from worker.investigation.suspects import graph
from worker.investigation.suspects.weights import SYMPTOMS
from worker.investigation.vocabulary import words

_LEVEL: Final = {"error": 1.0, "warning": 0.7, "info": 0.3}
_METRIC: Final = 0.8
_TELLING: Final = 0.3
_MULTIPLIED: Final = 0.9
_TITLE: Final = 0.9
"""The title is somebody's judgement of what matters, made when the alert was written."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that is not as it was."""

    text: str
    service: str
    weight: float
    """0 to 1: how much it stands out."""
    fact: str = ""
    """Empty for the alert's own words."""
    measured: bool = False
    """Whether it is a metric, and no text that anybody wrote."""


@dataclass(frozen=True, slots=True)
class Symptoms:
    """All signs, and what they are about."""

    signs: tuple[Sign, ...]
    strength: dict[str, float] = field(default_factory=dict)
    """For each symptom of `weights.SYMPTOMS` that shows: the weight of its strongest sign."""
    shown_by: dict[str, str] = field(default_factory=dict)
    """For each of those, the fact of that sign."""
    said: str = ""
    """What the logs say that stands out, lower case: what literals are looked for in."""
    vocabulary: frozenset[str] = frozenset()
    failing: frozenset[str] = frozenset()
    """Services that log errors or whose metrics have changed."""
    named: dict[str, str] = field(default_factory=dict)
    """Services that errors of others name, each with the fact of the weightiest: the culprit may log nothing itself."""
    well: frozenset[str] = frozenset()
    """Services that are measured and show nothing: nothing measured is no sign of health."""
    multiplied: frozenset[str] = frozenset()
    """The facts of services that are asked more often by callers that are not."""


def read(
    facts: Sequence[Fact], title: str, alerted: str, needed: Mapping[str, frozenset[str]] | None = None
) -> Symptoms:
    """The symptoms among the facts, with the alert's title. `needed` says what each service depends on."""
    multiplied = graph.multiplied(facts, needed or {})
    signs = (*_from_facts(facts), *((Sign(title, alerted, _TITLE),) if title else ()))
    strength: dict[str, float] = {}
    shown_by: dict[str, str] = {}
    for fact in multiplied:
        strength["load"], shown_by["load"] = _MULTIPLIED, fact.id
    for sign in sorted(signs, key=lambda sign: -sign.weight):
        text = spaced(sign.text).lower()
        for name, pattern in SYMPTOMS.items():
            if name not in strength and pattern.search(text):
                strength[name] = sign.weight
                shown_by[name] = sign.fact
    failing = frozenset(sign.service for sign in signs if sign.fact and sign.weight >= _TELLING)
    logged = [sign.text for sign in signs if sign.fact and sign.weight > _TELLING and not sign.measured]
    return Symptoms(
        signs=signs,
        strength=strength,
        shown_by=shown_by,
        said="\n".join(logged).lower(),
        vocabulary=words("\n".join(sign.text for sign in signs)),
        failing=failing,
        well=frozenset(fact.service or "" for fact in facts if fact.data.get("shape") == "steady") - failing,
        named=_named(facts),
        multiplied=frozenset(fact.id for fact in multiplied),
    )


def _from_facts(facts: Iterable[Fact]) -> Iterable[Sign]:
    for fact in facts:
        if fact.kind == "signature" and (weight := _signature(fact)):
            yield Sign(str(fact.data.get("example") or fact.text), fact.service or "", weight, fact.id)
        elif fact.kind == "metric" and fact.data.get("direction"):
            said = f"{fact.data.get('metric')} {fact.data['direction']}"
            weight = _METRIC * min(1.0, 0.4 + math.log10(1 + float(fact.data.get("strength", 1))) / 2)
            yield Sign(said, fact.service or "", weight, fact.id, measured=True)


def _named(facts: Iterable[Fact]) -> dict[str, str]:
    """The most telling error first, by its level, its change of rate and its rarity elsewhere (`signatures`): what is
    logged in good times too points at nobody.
    """
    pointing = [(fact, float(fact.data.get("weight", _signature(fact)))) for fact in facts if fact.kind == "signature"]
    named: dict[str, str] = {}
    for fact, weight in sorted(pointing, key=lambda pair: -pair[1]):
        if weight > _TELLING and fact.data.get("level") in ("error", "warning"):
            for name in fact.data.get("names", ()):
                named.setdefault(str(name), fact.id)
    return named


def _signature(fact: Fact) -> float:
    """Errors weigh more than warnings, new ones more than old, frequent ones a little more than rare."""
    count, before = fact.count or 0, int(fact.data.get("baselineCount", 0))
    if before and count < 2 * before:
        return 0.1
    if fact.data.get("level") == "info" and fact.data.get("change") == "steady":
        return 0.0
    often = min(1.0, 0.6 + math.log10(1 + count) / 4)
    return _LEVEL.get(str(fact.data.get("level")), 0.3) * often * (0.7 if before else 1.0)


def spaced(text: str) -> str:
    """Snake case is read as words, and as it stands."""
    return f"{text} {text.replace('_', ' ')}"
