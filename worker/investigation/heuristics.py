"""The rules of a repository's GOTCHA.md, matched to what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.incident import Fact, MatchedHeuristic
from worker.investigation.vocabulary import words

MOST_MATCHES: Final = 5
FEWEST_WORDS: Final = 2
"""Shared words that make a match: one alone is chance."""


def match(rules: Sequence[Fact], found: Sequence[Fact]) -> tuple[MatchedHeuristic, ...]:
    """The rules that share words with `found`, the errors and the suspected change: most shared words first. The names
    of the services do not count, for every line has them.
    """
    names = words(" ".join(fact.service or "" for fact in (*rules, *found)))
    said = {fact.id: words(fact.text) - names for fact in found}
    matches = (_matched(rule, said) for rule in rules)
    telling = (each for each in matches if len(each.words) >= FEWEST_WORDS)
    return tuple(sorted(telling, key=lambda each: -len(each.words))[:MOST_MATCHES])


def _matched(rule: Fact, said: dict[str, frozenset[str]]) -> MatchedHeuristic:
    own = words(rule.text)
    matches = {fact: own & heard for fact, heard in said.items() if own & heard}
    shared = frozenset[str]().union(*matches.values())
    return MatchedHeuristic(text=rule.text, words=tuple(sorted(shared)), matches=tuple(matches), fact=rule.id)
