"""The model's reply checked against the facts: what is not found there is demoted, and nothing active gets through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from shared.incident import (
    Citation,
    Diagnosis,
    Evidence,
    Fact,
    ProbableCause,
    ProducedBy,
    RelatedService,
    SuggestedAction,
)
from worker.investigation.case import Case
from worker.investigation.inert import clip, inert, inert_stretch
from worker.investigation.language import is_english
from worker.investigation.reply import CitedFact, Reply
from worker.investigation.scope import name_of

MOST_ITEMS: Final = 8
"""Items of each list of a diagnosis; more than that nobody reads at night."""

MOST_RELATED: Final = 12
"""Related services with the dependents that the catalog adds."""

LONG: Final = 1_000
"""Characters of the cause."""
SHORT: Final = 400
"""Characters of any other text."""

SHORTEST_QUOTE: Final = 4
"""Characters below which a quote would be found anywhere. `OOM` proves nothing, `exit code 137` does."""

UNPROVEN: Final = 0.3
"""The most confidence that is left when the suspected change was made up, or too little was known by the model's own
words.
"""

TOO_LITTLE: Final = "There is not enough information to name a cause."


Cited = TypeVar("Cited", bound=Citation)


@dataclass(frozen=True, slots=True)
class Verification:
    """What is left of a reply, and what was wrong with it."""

    diagnosis: Diagnosis | None
    """None when not one citation could be verified, or nobody could be expected to read it."""
    problems: tuple[str, ...]
    """In our own words, for a repair."""
    reason: str | None = None
    """Why there is no diagnosis."""
    needs_repair: bool = False
    """Whether it is bad enough to ask again: a call more is worth a made-up cause, but not a misquoted detail."""


def verify(reply: Reply, case: Case, produced_by: ProducedBy) -> Verification:
    """The reply as a diagnosis in which every citation is marked as found or not."""
    if not is_english(_prose(reply)):
        reason = "the model did not reply in English"
        return Verification(None, ("all texts: write them in English",), reason, needs_repair=True)
    facts = {fact.id: fact for fact in case.facts}
    evidence = tuple(
        Evidence(statement=inert(item.statement, SHORT), **_checked(item, facts).model_dump())
        for item in reply.evidence[:MOST_ITEMS]
    )
    citations = tuple(_checked(item, facts) for item in reply.probable_cause.citations[:MOST_ITEMS])
    problems = [*_unverified("evidence", evidence), *_unverified("probableCause.citations", citations)]
    cited = len(evidence) + len(citations)
    verified = sum(citation.verified for citation in (*evidence, *citations))
    suspect, suspect_problem = _suspect(reply.suspect_change, case.facts)
    problems += [suspect_problem] if suspect_problem else []
    honest = not reply.enough_information and not cited
    if not verified and not honest:
        reason = f"none of the model's {cited} citations could be verified" if cited else "the model cited no fact"
        return Verification(None, tuple(problems) or (reason,), reason, needs_repair=True)
    diagnosis = Diagnosis(
        probable_cause=ProbableCause(
            # A statement without a single fact under it is not passed on, however honest it may look.
            statement=TOO_LITTLE if honest else inert(reply.probable_cause.statement, LONG),
            confidence=0.0 if honest else _confidence(reply, verified / cited, made_up=suspect_problem is not None),
            citations=_verified_first(citations),
        ),
        evidence=_verified_first(evidence),
        suggested_actions=tuple(_actions(reply)),
        related_services=_related(reply, case),
        suspect_change=None if honest else suspect,
        missing_data=_missing(reply, case, suspect_problem),
        produced_by=produced_by,
    )
    return Verification(diagnosis, tuple(problems), needs_repair=bool(suspect_problem) or verified * 2 < cited)


def _prose(reply: Reply) -> str:
    """What the model wrote itself, without its quotes."""
    said = (reply.probable_cause.statement, *(item.statement for item in reply.evidence))
    return "\n".join(said)[:LONG]


def _confidence(reply: Reply, share_verified: float, made_up: bool) -> float:
    """The model's own times the share of its citations that were verified."""
    confidence = reply.probable_cause.confidence * share_verified
    return round(min(confidence, UNPROVEN) if made_up or not reply.enough_information else confidence, 2)


def _checked(item: CitedFact, facts: dict[str, Fact]) -> Citation:
    """The citation with the fact's own wording as its quote when that was found, else the model's, marked."""
    fact = facts.get(_fact_id(item.fact))
    found = _find(item.quote, fact.text) if fact else None
    if fact is None or found is None:
        return Citation(fact=fact.id if fact else inert(item.fact, 20), quote=inert(item.quote, SHORT))
    return Citation(fact=fact.id, quote=found, verified=True)


def _fact_id(text: str) -> str:
    found = re.search(r"\bF([0-9]{1,6})\b", text[:40], re.IGNORECASE)
    return f"F{int(found[1])}" if found else ""


_MARKS: Final = "\"'`“”„‟‘’‚«»´"
_ANY_MARK: Final = f"[{re.escape(_MARKS)}]"


def _find(quote: str, text: str) -> str | None:
    """The stretch of `text` that `quote` names, the same but for white space, quotation marks and case; without what
    is active in it. None when it is not there, or too short to mean anything.
    """
    words = quote[:SHORT].strip().strip(_MARKS).split()
    pattern = r"\s{1,80}".join(
        "".join(_ANY_MARK if char in _MARKS else re.escape(char) for char in word) for word in words
    )
    if sum(map(len, words)) < SHORTEST_QUOTE or not (found := re.search(pattern, text, re.IGNORECASE)):
        return None
    stretch = inert_stretch(found.group())
    return stretch if len(stretch) >= SHORTEST_QUOTE else None


def _unverified(place: str, citations: Iterable[Citation]) -> list[str]:
    return [
        f"{place}[{number}]: its quote does not stand in the fact that it cites"
        for number, citation in enumerate(citations)
        if not citation.verified
    ]


def _verified_first(citations: Sequence[Cited]) -> tuple[Cited, ...]:
    return tuple(sorted(citations, key=lambda citation: not citation.verified))


def _suspect(said: str | None, facts: Sequence[Fact]) -> tuple[str | None, str | None]:
    """The gathered change that `said` names (its full sha where one is known, a version, a flag), or what is wrong."""
    if said is None:
        return None, None
    changes = [fact for fact in facts if fact.kind in ("commit", "deploy", "flag", "compare")]
    shas = {sha for fact in changes for sha in _shas(fact)}
    word = said.strip().strip(_MARKS)
    named = {_change_of(fact, shas) for fact in changes if word in (fact.id, _name(fact))} or {
        _longest(sha, shas)
        for prefix in re.findall(r"\b[0-9a-f]{7,40}\b", said[:SHORT].lower())
        for sha in shas
        if sha.startswith(prefix)
    }
    if len(named) == 1 and (change := named.pop()):
        return change, None
    return None, "suspectChange: it is not one of the changes among the facts"


def _shas(fact: Fact) -> Iterable[str]:
    known = [fact.data.get("sha"), fact.data.get("commit"), *fact.data.get("commits", ())]
    return (str(sha).lower() for sha in known if sha)


def _change_of(fact: Fact, shas: set[str]) -> str:
    sha = fact.data.get("sha") or fact.data.get("commit")
    return _longest(str(sha).lower(), shas) if sha else _name(fact)


def _name(fact: Fact) -> str:
    """What a change without a sha goes by."""
    return str(fact.data.get("version") or fact.data.get("flag") or "")


def _longest(sha: str, shas: set[str]) -> str:
    """The fullest form of a sha that one source may know in full and another in short."""
    return max((each for each in shas if each.startswith(sha)), key=len, default=sha)


def _actions(reply: Reply) -> Iterable[SuggestedAction]:
    order = ("immediate", "verify", "afterFix")
    for action in sorted(reply.suggested_actions[:MOST_ITEMS], key=lambda action: order.index(action.kind)):
        if text := inert(action.text, SHORT):
            command = inert(action.command, SHORT) if action.command else None
            yield SuggestedAction(kind=action.kind, text=text, command=command or None)


def _related(reply: Reply, case: Case) -> tuple[RelatedService, ...]:
    """The services that the model names, marked when the catalog does not know them, and the dependents it forgot."""
    component = case.scope.component if case.scope else None
    known = {each.ref for each in case.scope.neighbours} if case.scope else set()
    names = {name_of(ref).lower(): name_of(ref) for ref in known}
    found: dict[str, RelatedService] = {}
    for item in reply.related_services[:MOST_ITEMS]:
        said = inert(item.service, 128)
        name = names.get(name_of(said).lower())
        service = name or said
        if service and name_of(said).lower() != case.service.lower():
            reason = inert(item.reason, SHORT)
            found.setdefault(
                service.lower(), RelatedService(service=service, reason=reason, in_catalog=name is not None)
            )
    for ref in component.dependents if component else ():
        service, reason = inert(name_of(ref), 128), inert(f"depends on {case.service} (catalog)", SHORT)
        related = RelatedService(service=service, reason=reason, in_catalog=ref in known)
        found.setdefault(service.lower(), related)
    return tuple(found.values())[:MOST_RELATED]


def _missing(reply: Reply, case: Case, suspect_problem: str | None) -> tuple[str, ...]:
    made_up = ("The model named a change that is not among those gathered; it was dropped.",) if suspect_problem else ()
    wanted = [text for item in reply.missing_data[:MOST_ITEMS] if (text := inert(item, SHORT))]
    return (*made_up, *case.gaps(), *(clip(text, SHORT) for text in wanted))
