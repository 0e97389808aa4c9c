"""The brief as a diagnosis: what the engineer gets when there is no model, or one that gave no usable answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.incident import (
    Brief,
    Citation,
    Coverage,
    Diagnosis,
    Evidence,
    Fact,
    ProbableCause,
    ProducedBy,
    RelatedService,
    SuggestedAction,
    Suspect,
)
from worker.inquiry import Scope
from worker.investigation import recurrence
from worker.investigation.brief import gist
from worker.investigation.inert import inert
from worker.investigation.scope import name_of
from worker.investigation.severity import ERROR

MOST_CONFIDENT: Final = 0.7
"""A ranking is no proof: the brief never claims more than this."""


def diagnosis(
    scope: Scope,
    brief: Brief,
    facts: Sequence[Fact],
    coverage: Sequence[Coverage],
    *,
    provider: str | None,
    reason: str,
) -> Diagnosis:
    """The brief in the form of a diagnosis; `reason` says why no model wrote it."""
    by_id = {fact.id: fact for fact in facts}
    suspect = brief.suspects[0] if brief.verdict == "change" else None
    return Diagnosis(
        probable_cause=_cause(brief, suspect, by_id),
        evidence=_evidence(brief, suspect, by_id),
        suggested_actions=_actions(scope, brief, suspect, by_id),
        related_services=related(scope),
        suspect_change=suspect.id if suspect else None,
        missing_data=missing(coverage),
        produced_by=ProducedBy(stage="brief", provider=provider, reason=reason),
    )


def related(scope: Scope) -> tuple[RelatedService, ...]:
    """The services that need the alerted one, then those that it needs itself."""
    alerted = scope.targets[0].service
    if scope.component is None:
        return ()
    known = {neighbour.ref for neighbour in scope.neighbours}
    dependents = [
        RelatedService(
            service=name_of(ref), reason=f"needs {alerted}, so it may be failing too", in_catalog=ref in known
        )
        for ref in scope.component.dependents
    ]
    dependencies = [
        RelatedService(service=name_of(ref), reason=f"{alerted} depends on it", in_catalog=ref in known)
        for ref in scope.component.depends_on
    ]
    return tuple(dependents + dependencies)[:20]


def missing(coverage: Sequence[Coverage]) -> tuple[str, ...]:
    """What was not looked at, and why."""
    return tuple(f"{line.source}: {line.detail or line.status.value}" for line in coverage if not line.status.answered)


def _cause(brief: Brief, suspect: Suspect | None, by_id: dict[str, Fact]) -> ProbableCause:
    if suspect is None:
        cited = [_cite(by_id[signature.fact]) for signature in brief.signatures[:1] if signature.fact in by_id]
        return ProbableCause(
            statement=brief.summary, confidence=0.3 if brief.verdict == "noChange" else 0.1, citations=tuple(cited)
        )
    return ProbableCause(
        statement=brief.summary,
        confidence=round(min(suspect.score, MOST_CONFIDENT), 2),
        citations=tuple(_cite(by_id[fact]) for fact in suspect.facts if fact in by_id),
    )


def _evidence(brief: Brief, suspect: Suspect | None, by_id: dict[str, Fact]) -> tuple[Evidence, ...]:
    said: list[tuple[str, str]] = []
    errors = [each for each in brief.signatures if each.level == ERROR]
    for signature in ([each for each in errors if each.baseline_count == 0] or errors)[:3]:
        new = "not seen in the window before" if signature.baseline_count == 0 else "also seen before"
        often = "once" if signature.count == 1 else f"{signature.count} times"
        said.append((f"{signature.service} logs this error {often}, {new}", signature.fact))
    if suspect:
        said += [(_role(by_id[fact], suspect), fact) for fact in suspect.facts if fact in by_id]
    said += [(f"Known rule that matches ({', '.join(each.words)})", each.fact) for each in brief.heuristics[:3]]
    said += [(recurrence.history(each), each.fact) for each in brief.similar[:2]]
    return tuple(
        Evidence(statement=statement, **_cite(by_id[fact]).model_dump()) for statement, fact in said if fact in by_id
    )


def _role(fact: Fact, suspect: Suspect) -> str:
    if fact.kind == "deploy":
        return (
            f"It went out with this deploy of {suspect.service}" if suspect.kind == "commit" else "The suspected deploy"
        )
    return f"The suspected commit in {suspect.service}: {'; '.join(suspect.reasons)}"


def _cite(fact: Fact) -> Citation:
    """The telling part of a fact, in its own words."""
    telling = str(fact.data.get("example") or fact.data.get("message") or fact.text)
    quote = telling.strip().partition("\n")[0][:300]
    return Citation(fact=fact.id, quote=quote, verified=quote in fact.text)


def _actions(
    scope: Scope, brief: Brief, suspect: Suspect | None, by_id: dict[str, Fact]
) -> tuple[SuggestedAction, ...]:
    alerted = scope.targets[0].service
    actions: list[SuggestedAction] = []
    if suspect and suspect.kind == "commit":
        text = f"If you agree, roll {suspect.service} back to before commit {suspect.id[:7]}, or revert it"
        actions.append(SuggestedAction(kind="immediate", text=text, command=f"git revert {suspect.id[:12]}"))
    elif suspect:
        text = f"If you agree, roll {suspect.service} back to the deploy before {suspect.id}"
        actions.append(SuggestedAction(kind="immediate", text=text))
    if suspect:
        files = [
            str(file["path"]) for fact in suspect.facts if fact in by_id for file in by_id[fact].data.get("files", ())
        ]
        where = f" in {', '.join(files[:3])}" if files else ""
        actions.append(
            SuggestedAction(kind="verify", text=f"Read what the change did{where} and compare it with the errors")
        )
    elif brief.signatures:
        first = brief.signatures[0]
        text = f"Look into what {first.service} says: {gist(first.text)}"
        actions.append(SuggestedAction(kind="verify", text=text))
    else:
        actions.append(SuggestedAction(kind="verify", text=f"Look at the logs of {alerted}: none could be read here"))
    for rule in brief.heuristics[:2]:
        actions.append(SuggestedAction(kind="verify", text=f"Check against the known rule: {rule.text[:200]}"))
    for earlier in brief.similar[:1]:
        if earlier.fixed_by:
            fix = inert(earlier.fixed_by, 200)
            text = f"See whether what fixed it on {recurrence.day(earlier.at)} helps again: {fix}"
            actions.append(SuggestedAction(kind="verify", text=text))
    actions.append(
        SuggestedAction(kind="afterFix", text="Write what it was into the repository's GOTCHA.md, under HEURISTICS")
    )
    return tuple(actions)
