"""What kind of edit a change is: what it did to values, guards, names, calls, versions and schemas; and what that can
break. What a commit message says of itself is not believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from worker.investigation.suspects import weights
from worker.investigation.suspects.additions import additions
from worker.investigation.suspects.diffs import Hunk, hunks, without_comment, without_moves
from worker.investigation.suspects.edit import Edit, short
from worker.investigation.suspects.losses import gone, guards
from worker.investigation.suspects.names import renamed
from worker.investigation.suspects.quantities import VERSION
from worker.investigation.suspects.swaps import swapped
from worker.investigation.suspects.values import governs, of_pair, pairs
from worker.investigation.vocabulary import pieces

MOST_EDITS: Final = 12
"""Edits that are kept of one change, the riskiest first."""


def edits(diff: str, files: Sequence[str]) -> list[Edit]:
    """What a change did, the riskiest first. A change of files that nothing runs is inert."""
    if files and all(_inert(path) for path in files):
        return [Edit("touches only documents, tests, styles or the build", weights.INERT)]
    if not diff.strip() and not files:
        return [Edit("only its message is known", weights.MESSAGE_ONLY)]
    if not diff.strip():
        return [Edit("what it changed could not be read", weights.UNSEEN)]
    found: list[Edit] = []
    for hunk in without_moves(hunks(diff, files)):
        if not _inert(hunk.path):
            found += _of_hunk(hunk)
    found = list({(edit.said, edit.path): edit for edit in found}.values())
    return sorted(found, key=lambda edit: -edit.risk)[:MOST_EDITS] or [Edit("changes nothing that runs", weights.INERT)]


def _inert(path: str) -> bool:
    return not weights.MANIFEST.search(path) and any(weights.INERT_PATH.search(form) for form in (path, path.lower()))


def _of_hunk(hunk: Hunk) -> Iterator[Edit]:
    removed, added = _meaningful(hunk.removed), _meaningful(hunk.added)
    if _same(hunk.removed, hunk.added):
        steps = [line for line in hunk.removed if weights.STEP.search(line)]
        if len(steps) > 1 and _bare(hunk.removed) != _bare(hunk.added):
            breaks = frozenset(("lock", "duplicate", "wrong", "missing"))
            yield Edit(
                f"takes its steps in another order: {short(steps[0])}", weights.OTHER_VALUE, breaks, path=hunk.path
            )
            return
        yield Edit("only formatting, order or comments", weights.INERT, path=hunk.path)
        return
    if not removed and not added:
        yield Edit("only log lines or metrics", weights.INERT, path=hunk.path)
        return
    if weights.MANIFEST.search(hunk.path):
        yield from _versions(removed, added, hunk.path)
    paired = list(pairs(removed, added))
    told = [edit for old, new in paired for edit in of_pair(old, new, hunk.path)]
    told += [edit for old, new in paired for edit in swapped(old, new, hunk)]
    told += _sql(removed, added, hunk.path)
    told += guards(removed, added, hunk.path)
    told += gone(removed, added, hunk.path)
    told += renamed(removed, added, hunk.path)
    told += _loops(hunk)
    told += additions(removed, added, hunk.path)
    yield from told
    if not told and not weights.MANIFEST.search(hunk.path):
        yield _rest(removed, added, hunk.path)


# --- what does not count ----------------------------------------------------------------------------------------------

_INSTRUMENT: Final = re.compile(
    r"^\s*(?:return\s+|await\s+|_\s*=\s*|\w+\s*:?=\s*|var\s+\w+\s*=\s*|this\.|self\.)*"
    r"(?:[\w.]*\b(?:log|logger|logging|slog|console|span|tracer?|metrics?|meter|prometheus|statsd|telemetry|counter|"
    r"histogram|gauge)\w*(?:\.\w+)*\s*[.(]|LOG_\w+\s*\(|(?:fmt\.)?[Pp]rint\w*\(|System\.out|puts\s|Log\.\w+\()"
    r"|^\s*(?:\w+(?:Hits|Misses|Total|Count(?:er)?|Latency|Seconds|Duration)\b.*(?:Inc|Observe|inc|observe|Add)\()",
)
_TRIVIAL: Final = re.compile(
    r"^[\s{}()\[\];,]*$|^\s*(?:import|from|using|package|#include|require)\b|^\s*\"[\w./-]+\"$"
)


def _meaningful(lines: Sequence[str]) -> list[str]:
    """The lines without imports, brackets, comments, and statements that only log or measure."""
    kept: list[str] = []
    open_brackets = 0
    for line in lines:
        if open_brackets > 0:
            open_brackets += _depth(line)
        elif _INSTRUMENT.match(line):
            open_brackets = max(0, _depth(line))
        elif not _TRIVIAL.match(line):
            kept.append(without_comment(line).strip())
    return kept


def _depth(line: str) -> int:
    return sum(line.count(mark) for mark in "({[") - sum(line.count(mark) for mark in ")}]")


def _same(removed: Sequence[str], added: Sequence[str]) -> bool:
    return bool(removed) and Counter(_bare(removed)) == Counter(_bare(added))


def _bare(lines: Sequence[str]) -> list[str]:
    return ["".join(without_comment(line).split()).rstrip(",;") for line in lines]


# --- versions, schemas, guards, names, calls --------------------------------------------------------------------------


def _versions(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    def named(lines: Sequence[str]) -> dict[str, str]:
        found = {}
        for line in lines:
            if version := VERSION.search(line):
                found[re.sub(r"[^\w./@:-]+", " ", line.replace(version[0], " ")).strip()] = version[0]
        return found

    before, after = named(removed), named(added)
    for name, now in after.items():
        was = before.get(name)
        if was is None or was == now:
            continue
        old, new = (_numbers(version) for version in (was, now))
        if old[0] != new[0]:
            step, risk = "major", weights.MAJOR_VERSION
        elif old[1] != new[1]:
            step, risk = "minor", weights.MINOR_VERSION if old[0] else weights.MAJOR_VERSION
        else:
            step, risk = "patch", weights.PATCH_VERSION
        # A library can break in any way; what it is called says where to look.
        literals = frozenset(word.lower() for word in pieces(name.rpartition("/")[2]) if len(word) > 3)
        yield Edit(f"moved {short(name)} from {was} to {now}, a {step} version", risk, literals=literals, path=path)
    if not set(before) & set(after):
        yield Edit("changed which packages or images it is built from", weights.REWRITTEN, path=path)


def _numbers(version: str) -> tuple[int, int]:
    found = [int(part) for part in re.findall(r"\d+", version)]
    return (found[0], found[1]) if len(found) > 1 else (found[0], 0)


_OF_SQL: Final = frozenset(("lock", "missing", "timeout", "load", "parse"))


def _sql(removed: Sequence[str], added: Sequence[str], path: str) -> list[Edit]:
    text = " ".join(added)
    if not re.search(r"\.sql$|migrat", path, re.IGNORECASE):
        # Elsewhere a statement is part of the program, unless it alters the schema word for word.
        text = text if re.search(r"\b(alter|drop|create)\s+(table|index|unique)", text, re.IGNORECASE) else ""
    for pattern, risk, said in weights.SQL:
        if found := re.search(pattern, text, re.IGNORECASE):
            kind = next((part.lower() for part in found.groups() if part), "part of the schema")
            return [Edit(said.format(kind), risk, _OF_SQL, path=path)]
    return []


def _loops(hunk: Hunk) -> Iterator[Edit]:
    """A call over the network that was put inside a loop."""
    removed_calls = {name for line in hunk.removed for name in weights.REMOTE_CALL.findall(line)}
    inside: int | None = None
    for line in hunk.lines:
        if line.sign == "-" or not line.text.strip():
            continue
        indent = len(line.text) - len(line.text.lstrip())
        if inside is not None and indent <= inside:
            inside = None
        called = weights.REMOTE_CALL.search(line.text)
        new = line.sign == "+" and called is not None and called[0] not in removed_calls
        if inside is not None and new and weights.FAR_AWAY.search(line.text) and not _INSTRUMENT.match(line.text):
            said = f"calls out for every element of a loop: {short(line.text)}"
            breaks = frozenset(("load", "timeout", "overload", "pool"))
            yield Edit(said, weights.CALL_IN_LOOP, breaks, path=hunk.path)
            return
        if inside is None and weights.LOOP.search(line.text):
            inside = indent


def _rest(removed: Sequence[str], added: Sequence[str], path: str) -> Edit:
    if not removed:
        risk = weights.NEW_CODE
        if weights.CONFIGURATION.search(path):
            return Edit(f"added settings: {short(added[0])}", weights.NEW_CODE, _config_breaks(added, path), path=path)
        return Edit("added code", risk, path=path)
    if not added:
        return Edit(f"removed code: {short(removed[0])}", weights.OTHER_VALUE, path=path)
    before, after = Counter(_tokens(removed)), Counter(_tokens(added))
    kept = sum((before & after).values()) / max(1, sum(before.values()))
    if kept >= 0.55:
        return Edit("rewrote code with the same names and values", weights.SAME_MEANING, path=path)
    return Edit(f"rewrote code: {short(removed[0])}", weights.REWRITTEN, path=path)


def _config_breaks(lines: Sequence[str], path: str) -> frozenset[str]:
    subject = governs(lines[0], path)[1]
    return subject.lowered | subject.raised if subject else frozenset()


def _tokens(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from re.findall(r"[A-Za-z_]\w+|\d+", line)
