"""GOTCHA.md: the rules that a team wrote down about its own service."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.incident import Fact
from worker.inquiry import Gathered, Target
from worker.printable import clipped, printable

FILE_NAME: Final = "GOTCHA.md"
"""Matched in any case."""
MAX_FILE_BYTES: Final = 8 * 1024 * 1024
_MAX_SECTION_BYTES: Final = 64 * 1024
_MAX_RULES: Final = 100
_MAX_RULE_BYTES: Final = 1024
_MAX_HEADING: Final = 120

_HEURISTICS: Final = re.compile(r"#{2,6}[ \t]+heuristics\b", re.IGNORECASE)
_SECTION_END: Final = re.compile(r"## [A-Z]|---")
_HEADING: Final = re.compile(r"#{1,6}[ \t]")
_ITEM: Final = re.compile(r"([ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+(.*)")
_RULER: Final = re.compile(r"[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*")
_FENCE: Final = ("```", "~~~")


@dataclass(frozen=True, slots=True)
class Rule:
    """One bullet, numbered item or paragraph."""

    text: str
    heading: str | None
    """The heading it stands under."""


def heuristic_facts(source: str, content: bytes, *, target: Target, repository: str, url: str | None) -> Gathered:
    """The rules of a GOTCHA.md as facts, with a detail that says what was left out. `content` may be any bytes."""
    section, cut = _section(content)
    rules = list(_rules(section))
    facts = tuple(
        Fact(
            source=source,
            kind="heuristic",
            service=target.service,
            text=clipped(rule.text, _MAX_RULE_BYTES),
            url=url,
            data={"heading": rule.heading, "repository": repository},
        )
        for rule in rules[:_MAX_RULES]
    )
    left_out = [f"{FILE_NAME} is cut after {_MAX_SECTION_BYTES // 1024} KiB"] if cut else []
    left_out += [f"{len(rules) - _MAX_RULES} more rules left out"] if len(rules) > _MAX_RULES else []
    return Gathered(facts=facts, detail="; ".join(left_out) or (None if facts else f"{FILE_NAME} holds no rules"))


def _section(content: bytes) -> tuple[list[str], bool]:
    """The lines of the `## HEURISTICS` section, or of the whole file when it has none; and whether they were cut.

    The section ends as in the article that the format comes from: at the next `## ` heading that begins with a capital,
    at a line that begins with `---`, or with the file.
    """
    text = printable(content.decode("utf-8-sig", errors="replace"))
    lines = text.split("\n")
    start = next((number for number, line in enumerate(lines) if _HEURISTICS.match(line)), None)
    if start is not None:
        end = next((number for number in range(start + 1, len(lines)) if _SECTION_END.match(lines[number])), len(lines))
        lines = lines[start:end]
    text = "\n".join(lines)
    kept = clipped(text, _MAX_SECTION_BYTES)
    return kept.split("\n"), len(kept) < len(text)


@dataclass(slots=True)
class _Open:
    """The rule that is being read."""

    heading: str | None
    indent: int = 0
    text: str = ""
    fenced: bool = False
    blank: bool = False
    """Whether the line before was blank: only what is indented below its item goes on then."""

    def goes_on(self, line: str) -> bool:
        return bool(self.text) and (not self.blank or _indent(line) > self.indent + 1)


def _rules(lines: list[str]) -> Iterator[Rule]:
    rule = _Open(heading=None)
    for line in lines:
        fence = line.strip().startswith(_FENCE)
        if rule.fenced or (fence and rule.goes_on(line)):
            rule.text += "\n" + line
            rule.fenced ^= fence
            continue
        if not line.strip():
            rule.blank = True
            continue
        heading = _HEADING.match(line)
        item = _ITEM.fullmatch(line)
        if heading or _RULER.fullmatch(line) or not rule.goes_on(line) or (item and len(item[1]) <= rule.indent + 1):
            if rule.text:
                yield Rule(rule.text, rule.heading)
            rule = _Open(rule.heading, indent=_indent(line), fenced=fence)
        if heading:
            rule.heading = line.strip("# \t")[:_MAX_HEADING] or None
        elif not _RULER.fullmatch(line):
            rule.text = f"{rule.text} {item[2] if item and not rule.text else line.strip()}".strip()
            rule.blank = False
    if rule.text:
        yield Rule(rule.text, rule.heading)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
