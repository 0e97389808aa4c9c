"""Changes ranked as suspects: what speaks for each, in words, and what rules it out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from shared.incident import Fact, Suspect
from shared.moment import rfc3339
from worker.investigation.vocabulary import rarity, words

MOST_SUSPECTS: Final = 5

# What each kind of evidence adds to a score. Shared words weigh most: a clock alone convicts nobody.
SHARED_WORDS: Final = 0.5
JUST_BEFORE: Final = 0.3
ALERTED_SERVICE: Final = 0.2

ENOUGH_WORDS: Final = 3.0
"""Shared words, weighed by their rarity among the changes, that count in full."""

AFTER_ONSET: Final = timedelta(minutes=2)
"""Clocks differ: only a change later than this after the onset is innocent for its time."""

JUST: Final = timedelta(hours=1)
RECENT: Final = timedelta(hours=24)

_IDLE: Final = re.compile(
    r"(^|/)(docs?|tests?|__tests__|spec)/|\.(md|txt|rst|adoc)$|(_test|\.test|\.spec)\.\w+$|^license", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Change:
    """A commit with its deploy, or a deploy whose commit is not known."""

    kind: Literal["commit", "deploy"]
    id: str
    service: str
    at: datetime | None
    """When it took effect: its deploy, else its commit."""
    deployed: bool
    text: str
    title: str
    files: tuple[str, ...]
    facts: tuple[str, ...]


def changes(facts: Sequence[Fact]) -> list[Change]:
    """The changes among the facts: commits seen by several sources once, each with the deploy that carried it."""
    deploys = [fact for fact in facts if fact.kind == "deploy"]
    commits: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.kind == "commit":
            commits.setdefault(str(fact.data.get("sha") or fact.id), []).append(fact)
    found = [_commit(sha, same, _deploy_of(sha, deploys)) for sha, same in commits.items()]
    carried = {fact for change in found for fact in change.facts}
    return found + [_deploy(fact) for fact in deploys if fact.id not in carried]


def rank(candidates: Sequence[Change], errors: Sequence[Fact], alerted: str, onset: datetime) -> list[Suspect]:
    """Every change that could be the cause, likeliest first."""
    said = words(" ".join(str(fact.data.get("example", fact.text)) for fact in errors))
    weight = rarity(words(change.text) for change in candidates)
    suspects = [
        _suspect(change, change.at, said, weight, alerted=alerted, onset=onset)
        for change in candidates
        if change.at is not None and change.at <= onset + AFTER_ONSET
    ]
    return sorted(suspects, key=lambda suspect: -suspect.score)[:MOST_SUSPECTS]


def _suspect(
    change: Change, at: datetime, said: frozenset[str], weight: dict[str, float], *, alerted: str, onset: datetime
) -> Suspect:
    reasons: list[str] = []
    shared = sorted(words(change.text) & said, key=lambda word: (-weight[word], word))
    score = SHARED_WORDS * min(1.0, sum(weight[word] for word in shared) / ENOUGH_WORDS)
    if shared:
        reasons.append(f"it and the errors both speak of {', '.join(shared[:6])}")
    score += _timely(at, change.deployed, onset, reasons)
    if change.service == alerted:
        score += ALERTED_SERVICE
        reasons.append("it changed the alerted service itself")
    else:
        reasons.append(f"it changed {change.service}, which {alerted} depends on")
    if change.files and all(_IDLE.search(path) for path in change.files):
        score /= 4
        reasons.append("but it touches only documents or tests")
    return Suspect(
        kind=change.kind,
        id=change.id,
        service=change.service,
        score=round(min(score, 1.0), 2),
        reasons=tuple(reasons),
        facts=change.facts,
    )


def _timely(at: datetime, deployed: bool, onset: datetime, reasons: list[str]) -> float:
    before = onset - at
    reasons.append(f"{'deployed' if deployed else 'committed'} at {rfc3339(at)}, {_span(before)} the onset")
    if before <= JUST:
        return JUST_BEFORE
    return JUST_BEFORE / 2 if before <= RECENT else 0.0


def _span(before: timedelta) -> str:
    minutes = round(abs(before).total_seconds() / 60)
    word = "less than a minute" if minutes < 1 else f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    return f"{word} {'before' if before >= timedelta(0) else 'after'}"


def _commit(sha: str, same: Sequence[Fact], deploy: Fact | None) -> Change:
    first = same[0]
    message = str(first.data.get("message", first.text))
    facts = (*(fact.id for fact in same), *((deploy.id,) if deploy else ()))
    return Change(
        kind="commit",
        id=sha,
        service=first.service or "",
        at=deploy.at if deploy and deploy.at else first.at,
        deployed=deploy is not None,
        text=f"{message}\n{first.data.get('diff', '')}",
        title=message.partition("\n")[0],
        files=tuple(_paths(first.data.get("files", ()))),
        facts=facts,
    )


def _deploy(fact: Fact) -> Change:
    name = fact.data.get("version") or fact.data.get("commit") or fact.id
    return Change(
        kind="deploy",
        id=str(name),
        service=fact.service or "",
        at=fact.at,
        deployed=True,
        text=fact.text,
        title=fact.text,
        files=(),
        facts=(fact.id,),
    )


def _deploy_of(sha: str, deploys: Sequence[Fact]) -> Fact | None:
    def names(fact: Fact) -> bool:
        commit = str(fact.data.get("commit") or "")
        return len(commit) >= 7 and (sha.startswith(commit) or commit.startswith(sha))

    return min((fact for fact in deploys if names(fact) and fact.at), key=lambda fact: str(fact.at), default=None)


def _paths(files: Iterable[object]) -> Iterable[str]:
    for file in files:
        yield str(file.get("path", "")) if isinstance(file, dict) else str(file)
