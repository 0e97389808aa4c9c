"""The brief: what code alone can say from the facts, within moments of the alert."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from shared.incident import Brief, Coverage, Fact, Signature, SimilarIncident
from shared.moment import parse_time
from worker.inquiry import Scope
from worker.investigation import heuristics, recurrence
from worker.investigation.severity import ERROR, OTHER
from worker.investigation.suspects.candidates import Change
from worker.investigation.suspects.ranking import Judgement, judge

_PREFIX: Final = re.compile(
    r"^(?:[\[(]?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?\s+)?"
    r"(?:\[?(?:ERROR|ERR|FATAL|CRITICAL|WARN(?:ING)?|PANIC)\]?:?\s+)?",
    re.IGNORECASE,
)

UNLIKELY: Final = 0.3
"""When every change scores less than this, the changes that were looked at do not explain it."""

Verdict = Literal["change", "noChange", "undecided"]


def make(scope: Scope, facts: Sequence[Fact], coverage: Sequence[Coverage], complete: bool, title: str = "") -> Brief:
    """The brief of an attempt. `complete` says whether all sources are in; `title` is the alert's."""
    judged = judge(facts, scope, title)
    verdict = _verdict(judged, coverage)
    by_id = {fact.id: fact for fact in facts}
    telling = [fact for fact in facts if fact.kind == "signature" and fact.data.get("level") == ERROR]
    if judged.convicted:
        telling += [by_id[fact] for fact in judged.convicted.change.facts if fact in by_id]
    signatures = tuple(_signature(fact) for fact in sorted(facts, key=_is_info) if fact.kind == "signature")
    similar = recurrence.similar_incidents(facts)
    alerted = scope.targets[0].service
    return Brief(
        onset=judged.onset.at,
        onset_reason=judged.onset.why,
        summary="\n".join((_summary(alerted, verdict, judged, signatures), *_seen_before(similar))),
        suspects=judged.suspects(),
        set_aside=judged.set_aside(),
        explanations=judged.explanations[:3],
        verdict=verdict,
        signatures=signatures[:20],
        heuristics=heuristics.match([fact for fact in facts if fact.kind == "heuristic"], telling),
        similar=similar,
        complete=complete,
    )


def _verdict(judged: Judgement, coverage: Sequence[Coverage]) -> Verdict:
    if judged.convicted:
        return "change"
    if judged.explanation:
        return "noChange"
    looked = any(line.source.startswith("changes.") and line.status.answered for line in coverage)
    return "noChange" if looked and all(each.score < UNLIKELY for each in judged.weighed) else "undecided"


def _is_info(fact: Fact) -> bool:
    return fact.data.get("level") == OTHER


def _signature(fact: Fact) -> Signature:
    return Signature(
        service=fact.service or "",
        level=str(fact.data.get("level", ERROR)),
        text=str(fact.data.get("example", fact.text)),
        count=fact.count or 0,
        first_seen=fact.at,
        last_seen=parse_time(fact.data.get("lastSeen")),
        baseline_count=int(fact.data.get("baselineCount", 0)),
        change=fact.data.get("change"),
        names=tuple(fact.data.get("names", ())),
        fact=fact.id,
    )


def _summary(alerted: str, verdict: Verdict, judged: Judgement, signatures: Sequence[Signature]) -> str:
    if judged.convicted:
        change = judged.convicted.change
        first = f"{name(change)} in {change.service or 'shared code'} most likely broke it."
    elif judged.explanation:
        first = f"No change explains this. {judged.explanation.statement}."
    elif verdict == "noChange":
        first = f"No change to {alerted} or what is around it explains this."
    else:
        first = "The facts do not single out a cause."
    errors = [signature for signature in signatures if signature.level == ERROR]
    if not errors:
        return f"{first} No error was found in the logs that could be read."
    worst = min(errors, key=lambda signature: (signature.baseline_count > 0, -signature.count))
    often = "once" if worst.count == 1 else f"{worst.count} times"
    return f"{first} {worst.service} logs “{gist(worst.text)}” ({often})."


def _seen_before(similar: Sequence[SimilarIncident]) -> list[str]:
    """The earlier incident that is most like this one, on a line of its own."""
    return [recurrence.history(each) for each in similar[:1] if each.score >= recurrence.ALIKE]


def name(change: Change) -> str:
    """A change as a person would say it."""
    if change.kind == "commit":
        return f"Commit {change.id[:7]} “{change.title[:120]}”"
    return f"The flag {change.id}" if change.kind == "flag" else f"The deploy of {change.id}"


def gist(text: str) -> str:
    """The first line of a log message, without the time and level that it begins with."""
    return _PREFIX.sub("", text.strip().partition("\n")[0])[:200]
