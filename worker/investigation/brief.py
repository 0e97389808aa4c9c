"""The brief: what code alone can say from the facts, within moments of the alert."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from shared.incident import Brief, Coverage, Fact, Signature, SimilarIncident, Suspect
from shared.moment import parse_time, rfc3339
from worker.inquiry import Scope
from worker.investigation import heuristics, ranking, recurrence
from worker.investigation.signatures import ERROR

CONVINCING: Final = 0.5
"""A score from which a suspect is named as the cause. It takes more than timing alone."""

_PREFIX: Final = re.compile(
    r"^(?:[\[(]?\d{4}-\d\d-\d\d[T ][\d:.,]+(?:Z|[+-]\d\d:?\d\d)?[\])]?\s+)?"
    r"(?:\[?(?:ERROR|ERR|FATAL|CRITICAL|WARN(?:ING)?|PANIC)\]?:?\s+)?",
    re.IGNORECASE,
)

Verdict = Literal["change", "noChange", "undecided"]


def make(scope: Scope, facts: Sequence[Fact], coverage: Sequence[Coverage], complete: bool) -> Brief:
    """The brief of an attempt. `complete` says whether all sources are in."""
    alerted = scope.targets[0].service
    errors = [fact for fact in facts if fact.kind == "signature" and fact.data.get("level") == ERROR]
    onset, why = _onset(errors, scope.window.alert_at)
    candidates = ranking.changes(facts)
    suspects = ranking.rank(candidates, errors, alerted, onset)
    verdict = _verdict(suspects, candidates, onset, coverage)
    rules = [fact for fact in facts if fact.kind == "heuristic"]
    by_id = {fact.id: fact for fact in facts}
    telling = list(errors)
    if verdict == "change":
        telling += [by_id[fact] for fact in suspects[0].facts if fact in by_id]
    signatures = tuple(_signature(fact) for fact in facts if fact.kind == "signature")
    similar = recurrence.similar_incidents(facts)
    return Brief(
        onset=onset,
        onset_reason=why,
        summary="\n".join((_summary(alerted, verdict, suspects, signatures, candidates), *_seen_before(similar))),
        suspects=tuple(suspects),
        verdict=verdict,
        signatures=signatures[:20],
        heuristics=heuristics.match(rules, telling),
        similar=similar,
        complete=complete,
    )


def _onset(errors: Sequence[Fact], alert_at: datetime) -> tuple[datetime, str]:
    new = [fact for fact in errors if fact.at is not None and not fact.data.get("baselineCount")]
    first = min(new, key=lambda fact: str(rfc3339(fact.at)), default=None)
    if first is None or first.at is None:
        return alert_at, "the alert's own start: no log line tells more"
    return first.at, f"the first error that the window before did not have ({first.id})"


def _verdict(
    suspects: Sequence[Suspect], candidates: Sequence[ranking.Change], onset: datetime, coverage: Sequence[Coverage]
) -> Verdict:
    if suspects and suspects[0].score >= CONVINCING:
        return "change"
    looked = any(line.source.startswith("changes.") and line.status.answered for line in coverage)
    recent = [
        each for each in candidates if each.at and onset - ranking.RECENT <= each.at <= onset + ranking.AFTER_ONSET
    ]
    return "noChange" if looked and not recent else "undecided"


def _signature(fact: Fact) -> Signature:
    return Signature(
        service=fact.service or "",
        level=str(fact.data.get("level", ERROR)),
        text=str(fact.data.get("example", fact.text)),
        count=fact.count or 0,
        first_seen=fact.at,
        last_seen=parse_time(fact.data.get("lastSeen")),
        baseline_count=int(fact.data.get("baselineCount", 0)),
        fact=fact.id,
    )


def _summary(
    alerted: str,
    verdict: Verdict,
    suspects: Sequence[Suspect],
    signatures: Sequence[Signature],
    candidates: Sequence[ranking.Change],
) -> str:
    if verdict == "change":
        change = next(each for each in candidates if each.id == suspects[0].id and each.facts == suspects[0].facts)
        first = f"{name(change)} in {change.service} most likely broke it."
    elif verdict == "noChange":
        first = f"No change to {alerted} or its dependencies explains this."
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


def name(change: ranking.Change) -> str:
    """A change as a person would say it."""
    if change.kind == "commit":
        return f"Commit {change.id[:7]} “{change.title[:120]}”"
    return f"The deploy of {change.id}"


def gist(text: str) -> str:
    """The first line of a log message, without the time and level that it begins with."""
    return _PREFIX.sub("", text.strip().partition("\n")[0])[:200]
