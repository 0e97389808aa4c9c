"""What kind of edit a change is: what it did to values, guards, names, calls, versions and schemas; and what that can
break. What a commit message says of itself is not believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from worker.investigation.suspects import weights
from worker.investigation.suspects.diffs import Hunk, hunks, without_comment
from worker.investigation.suspects.quantities import VERSION, Quantity, masked, quantities
from worker.investigation.vocabulary import pieces

MOST_EDITS: Final = 12
"""Edits that are kept of one change, the riskiest first."""

MOST_PAIRED: Final = 60
"""Removed lines of one hunk for which a successor is looked for."""

NEAR: Final = 25
"""Added lines that are looked at for one removed line: hunks keep what belongs together close."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One thing that a change did."""

    said: str
    """In words, for the reasons: `lowered the timeout from 5 s to 300 ms`."""
    risk: float
    """0 to 1: how often such an edit breaks something."""
    breaks: frozenset[str] = frozenset()
    """The symptoms (`weights.SYMPTOMS`) that it would show as."""
    literals: frozenset[str] = frozenset()
    """Names and values that it took away or put in, word for word: errors may quote them."""
    slow: bool = False
    """Whether it may take hours to show."""
    path: str = ""


def edits(diff: str, files: Sequence[str]) -> list[Edit]:
    """What a change did, the riskiest first. A change of files that nothing runs is inert."""
    if files and all(_inert(path) for path in files):
        return [Edit("touches only documents, tests, styles or the build", weights.INERT)]
    if not diff.strip() and not files:
        return [Edit("only its message is known", weights.MESSAGE_ONLY)]
    if not diff.strip():
        return [Edit("what it changed could not be read", weights.UNSEEN)]
    found: list[Edit] = []
    for hunk in hunks(diff, files):
        if not _inert(hunk.path):
            found += _of_hunk(hunk)
    found = list({(edit.said, edit.path): edit for edit in found}.values())
    return sorted(found, key=lambda edit: -edit.risk)[:MOST_EDITS] or [Edit("changes nothing that runs", weights.INERT)]


def _inert(path: str) -> bool:
    return any(weights.INERT_PATH.search(form) for form in (path, path.lower()))


def _of_hunk(hunk: Hunk) -> Iterator[Edit]:
    removed, added = _meaningful(hunk.removed), _meaningful(hunk.added)
    if _same(hunk.removed, hunk.added):
        yield Edit("only formatting, order or comments", weights.INERT, path=hunk.path)
        return
    if not removed and not added:
        yield Edit("only log lines or metrics", weights.INERT, path=hunk.path)
        return
    if weights.MANIFEST.search(hunk.path):
        yield from _versions(removed, added, hunk.path)
    pairs = list(_pairs(removed, added))
    told = [edit for old, new in pairs for edit in _of_pair(old, new, hunk.path)]
    told += _sql(removed, added, hunk.path)
    told += _guards(removed, added, hunk.path)
    told += _gone(removed, added, hunk.path)
    told += _renamed(removed, added, hunk.path)
    told += _loops(hunk)
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
    def bare(lines: Sequence[str]) -> Counter[str]:
        return Counter("".join(without_comment(line).split()).rstrip(",;") for line in lines)

    return bool(removed) and bare(removed) == bare(added)


# --- values -----------------------------------------------------------------------------------------------------------

_SIMILAR: Final = 0.6
_FLIPS: Final = re.compile(
    r"\b(true|false|on|off|yes|no|enabled?|disabled?|debug|info|warn(?:ing)?|error|trace|strict|lenient|optional|"
    r"required|require|none|all|any|always|never|default|sync|async|public|private|allow|deny|read|write)\b",
    re.IGNORECASE,
)
_SETTING: Final = re.compile(r"^[\s\"'-]*([\w.\-/ ]+?)[\"']?\s*(?:=>|:=|[:=])\s*(\S.*?)[,;]?$")
_KEYED: Final = re.compile(r"([\w.-]+)[\"']?\s*[:=]\s*(\d[\w.]*)")
_OPERATORS: Final = re.compile(r"[<>!=]=?|&&|\|\||\b(?:and|or|not)\b|[+\-*/%](?!=)")


def _pairs(removed: Sequence[str], added: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Lines that were taken away with what stands in their place, by how much alike they are."""
    free = [(masked(new), new) for new in added]
    for old in removed[:MOST_PAIRED]:
        if (masked(old), old) in free[:NEAR]:
            free.remove((masked(old), old))
            continue
        alike = [
            (SequenceMatcher(None, masked(old), form, autojunk=False).ratio(), -place)
            for place, (form, _) in enumerate(free[:NEAR])
        ]
        if alike and max(alike)[0] >= _SIMILAR:
            yield old, free.pop(-max(alike)[1])[1]


def _of_pair(old: str, new: str, path: str) -> Iterator[Edit]:
    before, after = quantities(old), quantities(new)
    if len(before) == len(after):
        for was, now in zip(before, after, strict=True):
            if was.value != now.value:
                yield _value(old, was, now, path)
    else:
        # Some of the values are gone: those that are left are told apart by their names.
        named = dict(_KEYED.findall(old)), dict(_KEYED.findall(new))
        for key in named[0].keys() & named[1].keys():
            was_now = quantities(named[0][key]), quantities(named[1][key])
            if all(was_now) and was_now[0][0].value != was_now[1][0].value:
                yield _value(f"{key}: ", was_now[0][0], was_now[1][0], path)
    flipped = [
        (was, now)
        for was, now in zip(_FLIPS.findall(old), _FLIPS.findall(new), strict=False)
        if was.lower() != now.lower()
    ]
    if flipped and len(_FLIPS.findall(old)) == len(_FLIPS.findall(new)):
        yield _switched(old, *flipped[0], path)
    elif weights.CONFIGURATION.search(path):
        yield from _other_value(old, new, path)
    if _words_of(old) == _words_of(new) and masked(old) != masked(new) and len(before) == len(after):
        changed = Counter(_OPERATORS.findall(old)) != Counter(_OPERATORS.findall(new))
        if changed:
            said = f"changed a condition: {_short(old)} became {_short(new)}"
            yield Edit(said, weights.CONDITION_CHANGED, frozenset(("wrong", "crash", "load", "timeout")), path=path)


def _value(old: str, was: Quantity, now: Quantity, path: str) -> Edit:
    lowered = now.value < was.value
    ratio = abs(now.value / was.value) if was.value and now.value else 0.0
    factor = max(ratio, 1 / ratio) if ratio else 10.0
    unit_slip = was.unit == now.unit == "time" and factor >= 60
    risk = weights.BY_TEN if factor >= 8 or unit_slip else weights.BY_HALF if factor >= 1.9 else weights.BY_LITTLE
    name, subject = _governs(old, path)
    if subject in weights.MODES:
        risk = max(risk, weights.FLIPPED)
    if subject is None:
        # A number without a name says little: an index, a status code, a width.
        risk *= 0.5
    breaks = (subject.lowered if lowered else subject.raised) if subject else frozenset()
    if not breaks and subject is not None:
        risk *= 0.3  # more of what cannot hurt
    said = f"{'lowered' if lowered else 'raised'} {name} from {was.text} to {now.text}"
    return Edit(said, risk, breaks, frozenset(_plain(now)), bool(subject and subject.slow), path)


def _plain(now: Quantity) -> Iterator[str]:
    """A value as errors would quote it: the number as written, and as whole milliseconds or seconds."""
    number = re.match(r"\d[\d_]{2,}(?![\d.])", now.text)
    if number:
        yield number[0].replace("_", "")
    if now.unit == "time" and now.value >= 0.1:
        yield f"{round(now.value * 1000)}"


def _switched(line: str, was: str, now: str, path: str) -> Edit:
    name, subject = _governs(line, path)
    more = now.lower() in ("true", "on", "yes", "enabled", "enable", "debug", "trace", "all", "always")
    breaks = (
        (subject.raised | subject.lowered if not subject.slow or not more else subject.raised)
        if subject
        else frozenset()
    )
    risk = weights.FLIPPED if subject or weights.CONFIGURATION.search(path) else weights.OTHER_VALUE
    return Edit(f"turned {name} from {was} to {now}", risk, breaks, slow=bool(subject and subject.slow), path=path)


def _other_value(old: str, new: str, path: str) -> Iterator[Edit]:
    """A setting that has the same name and another value: `name: value`, or `name value` as nginx writes it."""
    (key, was), (new_key, now) = (_setting(line) for line in (old, new))
    told_as_numbers = bool(quantities(was)) and masked(was) == masked(now)
    if key != new_key or was == now or told_as_numbers:
        return
    name, subject = _governs(f"{key}: ", path)
    breaks = subject.lowered | subject.raised if subject else frozenset()
    risk = weights.OTHER_SETTING if subject else weights.OTHER_VALUE
    literals = frozenset(part for part in re.findall(r"[\w.-]{4,}", f"{was} {now}") if not part.isdigit())
    yield Edit(f"set {name} from {_short(was)} to {_short(now)}", risk, breaks, literals, path=path)


def _setting(line: str) -> tuple[str, str]:
    found = _SETTING.match(line)
    key, value = (found[1], found[2]) if found else line.strip().partition(" ")[::2]
    return key.strip(" \"'-"), value.strip(" ;,")


def _governs(line: str, path: str) -> tuple[str, weights.Subject | None]:
    """The setting that a line is about, in its own words, and its subject where the name tells."""
    setting = _SETTING.match(line)
    head = setting[1] if setting else re.split(r"\d", line, maxsplit=1)[0]
    for text in (head, line, path.rpartition("/")[2]):
        spaced = " ".join(pieces(text)).lower()
        best = [
            (found.start(), name) for name, kind in weights.SUBJECTS.items() if (found := kind.words.search(spaced))
        ]
        if best:
            # `pool timeout` is a timeout: the last word of a name says what it is.
            name = _last_subject(spaced)
            shown = head.strip(" \"'-:=(") if setting else f"a {name} value"
            return f"{_short(shown)}", weights.SUBJECTS[name]
    return _short(head.strip(" \"'-:=(") or "a value"), None


def _last_subject(spaced: str) -> str:
    places = {
        name: max((found.start(), found.end()) for found in kind.words.finditer(spaced))
        for name, kind in weights.SUBJECTS.items()
        if kind.words.search(spaced)
    }
    # Sizes, limits and maxima are of something: `pool size` is about the pool.
    specific = {name: place for name, place in places.items() if name not in weights.GENERIC_SUBJECTS} or places
    return max(specific, key=lambda name: specific[name])


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
        yield Edit(f"moved {_short(name)} from {was} to {now}, a {step} version", risk, literals=literals, path=path)
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


def _handed_on(removed: Sequence[str], added: Sequence[str]) -> bool:
    """Whether a call whose result was checked and returned is now returned as it is: the same in fewer lines."""
    called = {name for line in removed for name in re.findall(r"([\w.]+)\(", line)}
    return any(name in called for line in added for name in re.findall(r"^return (?:await )?([\w.]+)\(", line))


def _guards(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    if len(added) == 1 and _handed_on(removed, added):
        return
    for said, (pattern, breaks) in weights.GUARDS.items():
        found = re.compile(pattern, re.IGNORECASE)
        lost = _count(found, removed) - _count(found, added)
        if lost > 0:
            example = next(line for line in removed if found.search(line))
            risk = weights.GUARD_REMOVED if _count(found, added) == 0 else weights.GUARD_REMOVED * 0.5
            yield Edit(f"removed {said}: {_short(example)}", risk, frozenset(breaks.split()), path=path)


def _gone(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    for said, (pattern, breaks) in weights.SAFETY.items():
        found = re.compile(pattern, re.IGNORECASE)
        lost = [line for line in removed if found.search(line)]
        if lost and not any(found.search(line) for line in added):
            yield Edit(
                f"removed {said}: {_short(lost[0])}", weights.SAFETY_REMOVED, frozenset(breaks.split()), path=path
            )
        elif len(lost) > _count(found, added):
            risk = weights.SAFETY_REMOVED * 0.5
            yield Edit(f"removed {said} in part: {_short(lost[0])}", risk, frozenset(breaks.split()), path=path)


_LITERAL: Final = re.compile(
    r"\"((?:\\.|[^\"\\]){1,80})\"|'((?:\\.|[^'\\]){1,80})'|`([^`]{1,80})`|\b([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)\b"
)
_PARAMETER: Final = re.compile(r"(?:^|[;&?,])\s*([A-Za-z][\w -]{1,30})=")
"""The names in connection strings and queries."""
_NAME: Final = re.compile(r"^[\w.:/@-]{2,60}$")
_OF_NAMES: Final = frozenset(("parse", "missing", "crash", "connection", "permission", "lag", "wrong"))


def _renamed(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    """Names that others rely on: in quotes, in capitals, or as keys of a configuration."""
    before, after = set(_names(removed, path)), set(_names(added, path))
    gone, fresh = before - after, after - before
    if not gone or not fresh:
        if gone and weights.CONFIGURATION.search(path):
            said = f"removed the setting {_short(min(gone))}"
            yield Edit(said, weights.OTHER_VALUE, _OF_NAMES, frozenset(gone), path=path)
        return
    one_for_one = len(gone) == len(fresh) == 1
    for was in sorted(gone)[:MOST_EDITS]:
        now = max(
            sorted(fresh)[:MOST_PAIRED], key=lambda name: SequenceMatcher(None, was.lower(), name.lower()).ratio()
        )
        alike = SequenceMatcher(None, was.lower(), now.lower()).ratio()
        if (alike >= _SIMILAR or one_for_one) and not VERSION.fullmatch(was):
            yield Edit(f"renamed “{was}” to “{now}”", weights.RENAMED, _OF_NAMES, frozenset((was, now)), path=path)


def _names(lines: Iterable[str], path: str) -> Iterator[str]:
    for line in lines:
        for groups in _LITERAL.findall(line):
            # The key alone of a tag: `json:"meta,omitempty"`.
            text = next(filter(None, groups)).strip("\"'")
            tag = re.findall(r"\w+:\\?\"([\w.-]+)", text) or _PARAMETER.findall(text)
            yield from (name for name in (tag or [text.partition(",")[0]]) if _NAME.match(name) and not name.isdigit())
        if weights.CONFIGURATION.search(path) and (setting := _SETTING.match(line)):
            yield setting[1].strip()


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
            said = f"calls out for every element of a loop: {_short(line.text)}"
            breaks = frozenset(("load", "timeout", "overload", "pool"))
            yield Edit(said, weights.CALL_IN_LOOP, breaks, path=hunk.path)
            return
        if inside is None and weights.LOOP.search(line.text):
            inside = indent


def _rest(removed: Sequence[str], added: Sequence[str], path: str) -> Edit:
    if not removed:
        risk = weights.NEW_CODE
        if weights.CONFIGURATION.search(path):
            return Edit(f"added settings: {_short(added[0])}", weights.NEW_CODE, _config_breaks(added, path), path=path)
        return Edit("added code", risk, path=path)
    if not added:
        return Edit(f"removed code: {_short(removed[0])}", weights.OTHER_VALUE, path=path)
    before, after = Counter(_tokens(removed)), Counter(_tokens(added))
    kept = sum((before & after).values()) / max(1, sum(before.values()))
    if kept >= 0.55:
        return Edit("rewrote code with the same names and values", weights.SAME_MEANING, path=path)
    return Edit(f"rewrote code: {_short(removed[0])}", weights.REWRITTEN, path=path)


def _config_breaks(lines: Sequence[str], path: str) -> frozenset[str]:
    subject = _governs(lines[0], path)[1]
    return subject.lowered | subject.raised if subject else frozenset()


def _tokens(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from re.findall(r"[A-Za-z_]\w+|\d+", line)


def _words_of(line: str) -> Counter[str]:
    return Counter(re.findall(r"[A-Za-z_]\w*", line))


def _count(pattern: re.Pattern[str], lines: Iterable[str]) -> int:
    return sum(pattern.search(line) is not None for line in lines)


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 80 else f"{one_line[:79]}…"
