"""The rules as they are used: read from rules.toml, compiled for RE2, and chosen by the keywords that a text holds."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import re2

from shared.redaction.credentials import CHECKS, TRAILING, Check, StandIns, is_secret

_LONGEST_RETRY: Final = 256
"""A value that was none and is longer is not looked into again: the time stays linear in the text."""

_LONGEST_BLOCK: Final = 16 * 1024
"""Bytes of the longest private key with whatever a log wrote between its lines."""

_CUT: Final = 300
"""Bytes of the shortest text that may have been cut off, and of its end that is looked at for the start of a token."""


@dataclass(frozen=True, slots=True)
class Span:
    """A secret's place in a text, in bytes."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One shape of a secret."""

    kind: str
    pattern: Any
    """A compiled RE2 pattern."""
    check: Check | None
    """None: whatever matches is a secret."""
    keywords: tuple[str, ...] = ()
    """Empty: it is tried on every text."""
    lines: bool = False
    start: tuple[str, ...] = ()
    until: bytes | None = None

    def spans(self, text: bytes, stand_ins: StandIns) -> Iterator[Span]:
        """Where in a text such secrets are."""
        at = 0
        closing: int | None = None
        while found := self.pattern.search(text, at):
            start, end = self._secret(found)
            if self.until:
                # Looked for once and remembered: a text of nothing but beginnings must not take quadratic time.
                if closing is None or -1 < closing < end:
                    closing = text.find(self.until, end)
                end = self._closed(text, start, end, closing)
            value = text[start:end].decode("utf-8", "replace")
            if self.check is None:
                secret = start < end
            else:
                secret = is_secret(stand_ins, self.check, self._key(found), value)
                end = start + len(text[start:end].rstrip(TRAILING.encode())) if self._trims else end
            if secret:
                yield Span(start, end, self.kind)
                at = max(end, at + 1)
            elif start > found.start() and end - start <= _LONGEST_RETRY:
                at = max(start, at + 1)  # what was taken for a value may hold a name and its value
            else:
                at = max(found.end(), at + 1)

    @property
    def _trims(self) -> bool:
        return self.check is not CHECKS["any"]

    def _closed(self, text: bytes, start: int, end: int, closing: int) -> int:
        """Where a match that begins at `start` ends, with the line of dashes at `closing` if that is near enough."""
        if self.until is None or not end <= closing < start + _LONGEST_BLOCK:
            return end
        dashes = text.find(b"-----", closing + len(self.until), closing + 200)
        return dashes + 5 if dashes >= 0 else closing + len(self.until)

    def _secret(self, found: Any) -> tuple[int, int]:
        for group in _value_groups(self.pattern):
            if found.start(group) >= 0:
                return found.start(group), found.end(group)
        return found.start(), found.end()

    def _key(self, found: Any) -> str:
        return found["key"].decode("utf-8", "replace") if _names_a_key(self.pattern) else ""


@cache
def _names_a_key(pattern: Any) -> bool:
    return "key" in pattern.groupindex


@cache
def _value_groups(pattern: Any) -> tuple[int, ...]:
    """The groups of a pattern that hold a secret: all but that of its name."""
    named = pattern.groupindex.get("key")
    return tuple(group for group in range(1, pattern.groups + 1) if group != named)


class RuleSet:
    """Rules that are looked for together. Safe to share between threads."""

    def __init__(self, rules: Sequence[Rule], stand_ins: StandIns) -> None:
        """Compiles one automaton of all keywords."""
        self.rules = tuple(rules)
        self.stand_ins = stand_ins
        self._always = tuple(rule for rule in self.rules if not rule.keywords)
        self._chosen: list[tuple[int, ...]] = []
        self._keywords = self._automaton()
        starts = sorted({start for rule in self.rules for start in rule.start})
        listed = "|".join(re2.escape(start) for start in starts)
        self._cut_off = re2.compile(rf"\b(?:{listed})[\w.=+/-]{{4,}}\z") if starts else None

    def spans(self, text: bytes) -> list[Span]:
        """The secrets of a text in order; none overlaps another."""
        found = [span for rule in self._candidates(text) for span in rule.spans(text, self.stand_ins)]
        if len(text) >= _CUT and self._cut_off and (cut := self._cut_off.search(text, len(text) - _CUT)):
            value = text[cut.start() :].decode("utf-8", "replace")
            if not self.stand_ins.stands_in(value):
                found.append(Span(cut.start(), cut.end(), "cut-off-token"))
        return merged(found)

    def silent(self, text: bytes) -> bool:
        """Whether a text, and any part of it, holds no word that a rule looks for, and so no secret."""
        return len(text) < _CUT and not self._always and self._keywords is not None and not self._keywords.Match(text)

    def over_lines(self) -> RuleSet:
        """Only the rules for secrets that may go over several lines."""
        return RuleSet([rule for rule in self.rules if rule.lines], self.stand_ins)

    def _candidates(self, text: bytes) -> Iterable[Rule]:
        hits = self._keywords.Match(text) if self._keywords else ()
        if not hits:
            return self._always
        numbers = sorted({number for hit in hits for number in self._chosen[hit]})
        return (*self._always, *(self.rules[number] for number in numbers))

    def _automaton(self) -> Any:
        by_keyword: dict[str, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for keyword in rule.keywords:
                by_keyword.setdefault(keyword, []).append(number)
        if not by_keyword:
            return None
        options = re2.Options()
        options.literal, options.case_sensitive = True, False
        automaton = re2.Set.SearchSet(options)
        for keyword, numbers in by_keyword.items():
            automaton.Add(keyword)
            self._chosen.append(tuple(numbers))
        automaton.Compile()
        return automaton

    def with_rules(self, more: Iterable[Rule]) -> RuleSet:
        """These rules and more."""
        return RuleSet((*self.rules, *more), self.stand_ins)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, with those that overlap or touch made one, under the name of the first."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if kept and span.start < kept[-1].end:
            kept[-1] = Span(kept[-1].start, max(kept[-1].end, span.end), kept[-1].kind)
        elif span.end > span.start:
            kept.append(span)
    return kept


@cache
def built_in() -> RuleSet:
    """The rules of rules.toml."""
    table = tomllib.loads(files(__package__).joinpath("rules.toml").read_text(encoding="utf-8"))
    return RuleSet([_rule(entry, table["parts"]) for entry in table["rules"]], StandIns.from_table(table["stand_ins"]))


def _rule(entry: Mapping[str, Any], parts: Mapping[str, str]) -> Rule:
    pattern = entry["pattern"]
    for name, part in parts.items():
        pattern = pattern.replace(f"<<{name}>>", part)
    return Rule(
        kind=entry["id"],
        pattern=re2.compile(pattern),
        check=CHECKS[entry.get("check", "any")],
        keywords=tuple(keyword.lower() for keyword in entry["keywords"]),
        lines=entry.get("lines", False),
        start=tuple(entry.get("start", ())),
        until=entry["until"].encode() if "until" in entry else None,
    )
