"""Changes ranked by evidence: how risky the edit, how well it fits what is seen, and whether it had the opportunity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.incident import Explanation, Fact, SetAside, Suspect
from shared.moment import rfc3339
from worker.inquiry import Scope
from worker.investigation import heuristics
from worker.investigation.suspects import explanations, onset, symptoms, weights
from worker.investigation.suspects.candidates import Change, changes
from worker.investigation.suspects.edit import Edit
from worker.investigation.suspects.graph import needs
from worker.investigation.suspects.onset import Onset
from worker.investigation.suspects.symptoms import Symptoms
from worker.investigation.vocabulary import COMMON, rarity, words

MOST_SUSPECTS: Final = 5
MOST_SET_ASIDE: Final = 8
LEAST: Final = 0.1
"""Below this a change is no suspect."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """One change with all that speaks for and against it."""

    change: Change
    score: float
    reasons: tuple[str, ...]
    excuse: str | None
    """What speaks most against it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the facts say about who did it."""

    onset: Onset
    symptoms: Symptoms
    weighed: tuple[Weighed, ...]
    """Every change, the likeliest first."""
    explanations: tuple[Explanation, ...]
    convicted: Weighed | None
    """The change that most likely broke it, if one stands out."""

    @property
    def explanation(self) -> Explanation | None:
        """The cause without a change that the signs speak for most, if it is strong."""
        best = self.explanations[0] if self.explanations else None
        return best if best and best.strength >= explanations.STRONG else None

    def suspects(self) -> tuple[Suspect, ...]:
        """The likeliest changes."""
        return tuple(
            Suspect(
                kind=each.change.kind,
                id=each.change.id,
                title=each.change.title[:200],
                service=each.change.service,
                score=round(each.score, 2),
                reasons=each.reasons,
                facts=each.change.facts,
            )
            for each in self.weighed[:MOST_SUSPECTS]
            if each.score >= LEAST
        )

    def set_aside(self) -> tuple[SetAside, ...]:
        """The changes nearest to the onset that are no suspects, each with the reason."""
        shown = {(each.change.kind, each.change.id) for each in self.weighed[:MOST_SUSPECTS] if each.score >= LEAST}
        rest = [each for each in self.weighed if (each.change.kind, each.change.id) not in shown]
        rest.sort(key=lambda each: abs((each.change.at or self.onset.at) - self.onset.at))
        return tuple(
            SetAside(
                kind=each.change.kind,
                id=each.change.id,
                service=each.change.service,
                title=each.change.title[:200],
                reason=each.excuse or "nothing that it did fits what is seen",
                facts=each.change.facts,
            )
            for each in rest[:MOST_SET_ASIDE]
        )


def judge(facts: Sequence[Fact], scope: Scope, title: str = "") -> Judgement:
    """The judgement on all facts of an attempt. `title` is the alert's."""
    services = [target.service for target in scope.targets]
    shown = symptoms.read(facts, title, services[0], needs(scope))
    began = onset.find(facts, services, scope.window.alert_at)
    candidates = [each for each in changes(facts, scope, shown.failing) if each.at is not None]
    known = [*services, *(neighbour.name for neighbour in scope.neighbours)]
    explained = explanations.explain(facts, shown, known)
    weight = rarity(words(each.text) for each in candidates)
    rules = [fact for fact in facts if fact.kind == "heuristic" and words(fact.text) & shown.vocabulary]
    names = frozenset(name.lower() for name in known)
    seen = _Seen(shown, began, scope.window.alert_at, weight, rules, names)
    weighed = [_weigh(each, seen) for each in candidates]
    weighed.sort(key=lambda each: (-each.score, each.change.id))
    return Judgement(
        onset=began,
        symptoms=shown,
        weighed=tuple(weighed),
        explanations=tuple(explained),
        convicted=_convicted(weighed, explained),
    )


def _convicted(weighed: Sequence[Weighed], explained: Sequence[Explanation]) -> Weighed | None:
    if not weighed:
        return None
    first = weighed[0]
    needed = weights.CONVINCING
    for each in explained:
        if not explanations.implicated(each, first.change.text):
            needed = max(needed, weights.CONVINCING + weights.EXPLAINED_ANYWAY * each.strength)
    return first if first.score >= needed else None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What every change is held against."""

    symptoms: Symptoms
    onset: Onset
    alert_at: datetime
    rarity: dict[str, float]
    """Of each word, among the changes."""
    rules: Sequence[Fact]
    """Of GOTCHA.md, those that share words with the errors."""
    names: frozenset[str]
    """Of the services, lower case."""


def _weigh(change: Change, seen: _Seen) -> Weighed:
    shown, weight = seen.symptoms, seen.rarity
    edit, fit, fits_how = _best_edit(change, shown)
    shared = sorted(words(change.text) & shown.vocabulary, key=lambda word: (-weight[word], word))
    overlap = min(1.0, sum(weight[word] for word in shared) / weights.ENOUGH_WORDS)
    quoted, rule = _quoted(change, shown.said, seen.names), _known(change, seen.rules)
    reasons = [edit.said, *fits_how]
    if edit.felt_by_name and not quoted:
        fit *= weights.UNQUOTED
    if quoted:
        fit = max(fit, weights.QUOTED)
        reasons.append(f"the errors name what it changed: “{quoted}”")
    elif shared and overlap >= 0.2:
        reasons.append(f"it and the errors both speak of {', '.join(shared[:5])}")
    if rule:
        fit = max(fit, weights.RULE_NAMES_IT)
        reasons.append(f"a known rule names what it changed ({rule.id})")
    mechanism = edit.risk * (weights.UNEXPLAINED_EDIT + (1 - weights.UNEXPLAINED_EDIT) * fit)
    spoken = weights.SHARED_WORDS * overlap * (0.2 + 0.8 * edit.risk)
    place, where = _place(change, shown, quoted is not None)
    lasting, when, excuse = _time(change, edit, seen.onset, seen.alert_at)
    if change.role == "elsewhere" and place < weights.NAMED:
        excuse = excuse or f"{change.service} neither fails nor is needed by what fails"
    if excuse is None and edit.risk <= weights.SAME_MEANING:
        excuse = edit.said
    evidence = 1 - (1 - mechanism) * (1 - spoken)
    return Weighed(change, min(1.0, evidence * place * lasting), (*reasons, where, when), excuse)


def _known(change: Change, rules: Sequence[Fact]) -> Fact | None:
    """A rule of GOTCHA.md that names what the change took away or put in; or what its message says, if that is all."""
    own = words(change.text) if not change.files else frozenset[str]()
    for rule in rules:
        if _quoted(change, rule.text.lower()) or len(own & words(rule.text)) >= heuristics.FEWEST_WORDS:
            return rule
    return None


def _best_edit(change: Change, shown: Symptoms) -> tuple[Edit, float, list[str]]:
    """The edit that explains most, how well it fits the symptoms (0 to 1), and that in words."""

    def fit(edit: Edit) -> tuple[float, str]:
        return max(((shown.strength[name], name) for name in edit.breaks if name in shown.strength), default=(0.0, ""))

    best = max(change.edits, key=lambda edit: edit.risk * (weights.UNEXPLAINED_EDIT + fit(edit)[0]))
    strength, symptom = fit(best)
    if not symptom:
        return best, 0.0, []
    by = f" ({shown.shown_by[symptom]})" if shown.shown_by.get(symptom) else ""
    return best, strength, [f"that can show as {_SYMPTOM_WORDS[symptom]}, which is seen{by}"]


_SYMPTOM_WORDS: Final = {
    "crash": "crashes", "parse": "data that cannot be read", "timeout": "timeouts or slowness",
    "pool": "exhausted pools", "overload": "overload", "load": "more load on what it calls",
    "memory": "memory running out", "disk": "disks filling up",
    "dns": "names that are not resolved", "certificate": "failing handshakes", "permission": "denied access",
    "connection": "failing connections", "lock": "locks and conflicts", "retry": "exhausted retries",
    "missing": "something missing", "duplicate": "duplicates", "lag": "queues falling behind", "restart": "restarts",
    "wrong": "wrong results",
}  # fmt: skip


def _quoted(change: Change, said: str, names: frozenset[str] = frozenset()) -> str | None:
    """A name or value that the change took away or put in, and that `said`, in lower case, holds word for word. The
    names of the services do not count, for every line may have them.
    """
    found = [
        literal
        for edit in change.edits
        for literal in edit.literals
        if edit.risk > weights.SAME_MEANING
        and _telling(literal)
        and literal.lower() not in names
        and _stands_in(literal.lower(), said)
    ]
    return max(found, key=len, default=None)


def _telling(literal: str) -> bool:
    return len(literal) > 2 and literal.lower() not in COMMON


def _stands_in(literal: str, said: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(literal)}(?![\w])", said) is not None


def _place(change: Change, shown: Symptoms, quoted: bool) -> tuple[float, str]:
    """0 to 1: whether it is live where it could do this; and in words."""
    place, where = weights.ON_THE_PATH.get(change.role, weights.OFF_THE_PATH), _where(change)
    named = shown.named.get(change.service)
    if named:
        where = f"{where}; errors of others name {change.service} ({named})"
        place = max(place, weights.NAMED)
    elif change.role in ("dependency", "dependent") and change.service in shown.well and not quoted:
        where = f"{where}, but whose metrics are as ever, and which no error names"
        place *= weights.SILENT
    return place, where


def _time(change: Change, edit: Edit, began: Onset, alert_at: datetime) -> tuple[float, str, str | None]:
    """0 to 1: whether it went live at the right time; in words; and its excuse, if it has one."""
    at = change.at or alert_at
    went_live = {"deploy": "deployed", "later deploy": "went out with a deploy", "flag": "switched"}.get(
        change.live_by, "committed"
    )
    if at > alert_at:
        return 0.0, f"{went_live} at {rfc3339(at)}, after the alert", f"{went_live} at {rfc3339(at)}, after the alert"
    before = began.at - at
    when = f"{went_live} at {rfc3339(at)}, {_span(before)} it began"
    if before < -weights.CLOCKS_DIFFER:
        return weights.AFTER_ONSET, when, when
    lasting = next((share for span, share in weights.RECENCY if before <= span), weights.LONG_AGO)
    if edit.slow:
        lasting = max(lasting, weights.SLOW_TO_SHOW)
    if change.live_by == "none":
        return lasting * weights.NEVER_WENT_LIVE, when, "no deploy is known to have carried it"
    return lasting, when, None


def _where(change: Change) -> str:
    return {
        "alerted": f"it is live in {change.service}, which the alert is about",
        "dependency": f"it is live in {change.service}, which fails or is needed by what fails",
        "dependent": f"it is live in {change.service}, which calls the service that the alert is about",
        "about": f"it changes what is named after a service that fails, though it is live in {change.service}",
        "sharing": f"it is live in {change.service}, which needs something that the alerted service needs too",
        "shared": "it is in code or configuration that several services load",
        "elsewhere": f"but {change.service} neither fails nor is needed by what fails",
    }.get(change.role, "where it is live is not known")


def _span(before: timedelta) -> str:
    minutes = round(abs(before).total_seconds() / 60)
    word = "less than a minute" if minutes < 1 else f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    return f"{word} {'before' if before >= timedelta(0) else 'after'}"
