"""What the signs say by themselves: causes that are no change of ours. Each needs more than a word: most of the errors,
several services, one record again and again, or a metric.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from shared.incident import Explanation, Fact
from worker.investigation.suspects import weights
from worker.investigation.suspects.graph import more_requests
from worker.investigation.suspects.symptoms import Sign, Symptoms, spaced

STRONG: Final = 0.5
"""From here on an explanation decides the verdict when no change stands out."""


def explain(facts: Sequence[Fact], symptoms: Symptoms, known: Iterable[str]) -> list[Explanation]:
    """What the signs say by themselves, the strongest first. `known` names the catalog's own services."""
    own = frozenset(name.lower() for name in known)
    logged = [sign for sign in symptoms.signs if sign.weight > 0.2]
    found = [each for kind in weights.SPOKEN_CAUSES if (each := _by_words(kind, logged))]
    for look in _LOOKS:
        if each := look(facts, symptoms, own):
            found.append(each)
    return sorted(found, key=lambda each: -each.strength)


def implicated(explanation: Explanation, text: str) -> bool:
    """Whether a change is about the very thing that explains the incident, and so not excused by it."""
    return _IMPLICATES[explanation.kind].search(text) is not None


_IMPLICATES: Final = {**weights.OTHER_CAUSES, **{kind.kind: kind.implicates for kind in weights.SPOKEN_CAUSES}}


def _by_words(kind: weights.Spoken, signs: Sequence[Sign]) -> Explanation | None:
    about = [sign for sign in signs if kind.pattern.search(spaced(sign.text))]
    total = sum(sign.weight for sign in signs)
    share = sum(sign.weight for sign in about) / total if total else 0.0
    services = sorted({sign.service for sign in about})
    if not about or share < kind.least_share * 0.5:
        return None
    strength = min(1.0, 0.5 * share / kind.least_share + 0.15 * (len(services) - 1) + 0.1)
    return Explanation(
        kind=kind.kind,
        statement=f"{kind.said.capitalize()}: {', '.join(services[:4])} say so",
        strength=round(strength, 2),
        facts=tuple(sign.fact for sign in about if sign.fact)[:6],
    )


def _traffic(facts: Sequence[Fact], symptoms: Symptoms, known: frozenset[str]) -> Explanation | None:
    """More requests came in, at the door itself, before or as it began to fail."""
    risen = [fact for fact in more_requests(facts) if fact.id not in symptoms.multiplied]
    overloaded = [sign for sign in symptoms.signs if sign.fact and weights.OVERLOADED.search(sign.text)]
    if not risen:
        return None
    everywhere = len({fact.service for fact in risen}) / max(1, len(symptoms.failing))
    strength = 0.3 + 0.3 * bool(overloaded) + 0.4 * min(1.0, everywhere)
    most = max(risen, key=lambda fact: fact.data.get("ratio") or 0)
    return Explanation(
        kind="traffic",
        statement=f"Far more requests come in than usual: {most.text}",
        strength=round(min(1.0, strength), 2),
        facts=(*(fact.id for fact in risen[:3]), *(sign.fact for sign in overloaded[:3])),
    )


def _provider(facts: Sequence[Fact], symptoms: Symptoms, known: frozenset[str]) -> Explanation | None:
    """Most errors name one host outside, and that it does not answer as it should."""
    logged = [sign for sign in symptoms.signs if sign.fact and sign.weight > 0.3]
    hosts: dict[str, list[Sign]] = {}
    for sign in logged:
        if not weights.REFUSED.search(sign.text):
            continue
        for host in set(weights.HOST.findall(sign.text)):
            if not any(part in known for part in host.split(".")):
                hosts.setdefault(host, []).append(sign)
    if not hosts:
        return None
    host, about = max(hosts.items(), key=lambda item: sum(sign.weight for sign in item[1]))
    total = sum(sign.weight for sign in logged)
    share = sum(sign.weight for sign in about) / total
    return Explanation(
        kind="provider",
        statement=f"{host}, which is outside, does not answer as it should",
        strength=round(min(0.9, 0.35 + share), 2),
        facts=tuple(sign.fact for sign in about)[:6],
    )


def _bad_data(facts: Sequence[Fact], symptoms: Symptoms, known: frozenset[str]) -> Explanation | None:
    """One record, again and again: the same identifier in all of the errors."""
    best: Explanation | None = None
    for fact in facts:
        if fact.kind != "signature" or fact.data.get("level") not in ("error", "warning") or (fact.count or 0) < 5:
            continue
        if not weights.UNFIT.search(fact.text) or fact.data.get("baselineCount"):
            continue
        repeated = [
            each
            for each in fact.data.get("values", ())
            if isinstance(each, dict)
            and each.get("distinct") == 1
            and weights.RECORD.search(f"{each.get('name')}={each.get('top')}000")
            and not weights.NOT_RECORDS.search(str(each.get("name")))
        ]
        strength = 0.55 + 0.1 * min(3, len(repeated)) if repeated else 0.0
        if strength and (best is None or strength > best.strength):
            names = ", ".join(f"{each.get('name')}={each.get('top')}" for each in repeated[:3])
            best = Explanation(
                kind="bad data",
                statement=f"The same piece of data fails again and again ({names}) in {fact.service}",
                strength=round(strength, 2),
                facts=(fact.id,),
            )
    return best


_HINT: Final = 0.45
"""Less than STRONG: a platform kills and holds back for reasons of its own, and for what a change asked of it."""


def _platform(facts: Sequence[Fact], symptoms: Symptoms, known: frozenset[str]) -> Explanation | None:
    """The platform itself ended something or does not let it start."""
    found = [
        fact
        for fact in facts
        if fact.kind == "signature"
        and not fact.data.get("baselineCount")
        and weights.PLATFORM_SAYS.match(str(fact.data.get("example")))
    ]
    if not found:
        return None
    first = min(found, key=lambda fact: (fact.at is None, fact.at or 0, fact.id))
    return Explanation(
        kind="platform",
        statement=f"Kubernetes says of {first.service}: {str(first.data.get('example')).partition(chr(10))[0][:200]}",
        strength=_HINT,
        facts=tuple(fact.id for fact in found)[:6],
    )


_LOOKS: Final[tuple[Callable[[Sequence[Fact], Symptoms, frozenset[str]], Explanation | None], ...]] = (
    _traffic,
    _provider,
    _bad_data,
    _platform,
)
