"""The rules of a repository's GOTCHA.md, matched to what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.incident import Fact, MatchedHeuristic
from worker.investigation.vocabulary import words

MOST_MATCHES: Final = 5
FEWEST_WORDS: Final = 2
"""Shared words that make a match: one alone is chance."""


def match(rules: Sequence[Fact], found: Sequence[str]) -> tuple[MatchedHeuristic, ...]:
    """The rules that share words with the errors or with the suspected change, most shared words first."""
    said = words(" ".join(found))
    matches = [
        MatchedHeuristic(text=rule.text, words=tuple(sorted(words(rule.text) & said)), fact=rule.id) for rule in rules
    ]
    matches = [each for each in matches if len(each.words) >= FEWEST_WORDS]
    return tuple(sorted(matches, key=lambda each: -len(each.words))[:MOST_MATCHES])
