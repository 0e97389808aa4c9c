"""Values that a change put in the place of others: amounts with their units, switches, settings, conditions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from worker.investigation.suspects import weights
from worker.investigation.suspects.edit import Edit, short
from worker.investigation.suspects.quantities import Quantity, masked, quantities
from worker.investigation.vocabulary import pieces

MOST_PAIRED: Final = 60
"""Removed lines of one hunk for which a successor is looked for."""

NEAR: Final = 25
"""Added lines that are looked at for one removed line: hunks keep what belongs together close."""

SIMILAR: Final = 0.6
_FLIPS: Final = re.compile(
    r"\b(true|false|on|off|yes|no|enabled?|disabled?|debug|info|warn(?:ing)?|error|trace|strict|lenient|optional|"
    r"required|require|none|all|any|always|never|default|sync|async|public|private|allow|deny|read|write)\b",
    re.IGNORECASE,
)
SETTING: Final = re.compile(r"^[\s\"'-]*([\w.\-/ ]+?)[\"']?\s*(?:=>|:=|[:=])\s*(\S.*?)[,;]?$")
_KEYED: Final = re.compile(r"([\w.-]+)[\"']?\s*[:=]\s*(\d[\w.]*)")
_OPERATORS: Final = re.compile(r"[<>!=]=?|&&|\|\||\b(?:and|or|not)\b|[+\-*/%](?!=)")


_PLAIN: Final = frozenset(("name", "value", "type", "key", "default", "enabled", "kind", "mode"))
SURELY: Final = 0.85
"""So much alike that no later line is looked at: hunks keep their order."""


def pairs(removed: Sequence[str], added: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Lines that were taken away with what stands in their place, by how much alike they are."""
    free = [(masked(new), new) for new in added]
    for old in removed[:MOST_PAIRED]:
        if (masked(old), old) in free[:NEAR]:
            free.remove((masked(old), old))
            continue
        likeness = SequenceMatcher(None, "", masked(old), autojunk=False)
        best, where = 0.0, 0
        for place, (form, new) in enumerate(free[:NEAR]):
            alike = _alike(old, new, form, likeness)
            if alike > best:
                best, where = alike, place
            if best >= SURELY:
                break
        if best >= SIMILAR:
            yield old, free.pop(where)[1]


def _alike(old: str, new: str, form: str, likeness: SequenceMatcher[str]) -> float:
    """0 to 1. A setting of the same name is the same setting, whatever it holds. `form` is the new line without its
    numbers; `likeness` holds the old one.
    """
    was, now = SETTING.match(old), SETTING.match(new)
    if (was and now and was[1] == now[1]) or (old.startswith("FROM ") and new.startswith("FROM ")):
        return 1.0
    likeness.set_seq1(form)
    # What is quick to tell first: most lines are not alike at all.
    quick = likeness.real_quick_ratio() >= SIMILAR and likeness.quick_ratio() >= SIMILAR
    return likeness.ratio() if quick else 0.0


def of_pair(old: str, new: str, path: str) -> Iterator[Edit]:
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
            said = f"changed a condition: {short(old)} became {short(new)}"
            yield Edit(said, weights.CONDITION_CHANGED, frozenset(("wrong", "crash", "load", "timeout")), path=path)


def _value(old: str, was: Quantity, now: Quantity, path: str) -> Edit:
    lowered = now.value < was.value
    ratio = abs(now.value / was.value) if was.value and now.value else 0.0
    factor = max(ratio, 1 / ratio) if ratio else 10.0
    unit_slip = was.unit == now.unit == "time" and factor >= 60
    risk = weights.BY_TEN if factor >= 8 or unit_slip else weights.BY_HALF if factor >= 1.9 else weights.BY_LITTLE
    name, subject = governs(old, path)
    if subject in weights.MODES:
        risk = max(risk, weights.FLIPPED)
    if subject is None:
        # A number without a name says little: an index, a status code, a width.
        risk *= 0.5
    elif subject is weights.SUBJECTS["limit"] and not weights.LIMITS_LOAD.search(old):
        risk *= 0.6  # the most of something that is no load: the length of a name
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
    name, subject = governs(line, path)
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
    name, subject = governs(f"{key}: ", path)
    breaks = subject.lowered | subject.raised if subject else frozenset()
    risk = weights.OTHER_SETTING if subject else weights.OTHER_VALUE
    literals = frozenset(part for part in re.findall(r"[\w.-]{4,}", f"{was} {now}") if not part.isdigit())
    yield Edit(f"set {name} from {short(was)} to {short(now)}", risk, breaks, literals, path=path)


def _setting(line: str) -> tuple[str, str]:
    found = SETTING.match(line)
    key, value = (found[1], found[2]) if found else line.strip().partition(" ")[::2]
    return key.strip(" \"'-"), value.strip(" ;,")


def governs(line: str, path: str) -> tuple[str, weights.Subject | None]:
    """The setting that a line is about, in its own words, and its subject where the name tells."""
    setting = SETTING.match(line)
    head = setting[1] if setting else re.split(r"\d", line, maxsplit=1)[0]
    # Of a setting that is only called `name` or `value` the file may tell what it is.
    file = path.rpartition("/")[2] if set(pieces(head.lower())) <= _PLAIN else ""
    for text in (head, line, file):
        spaced = " ".join(pieces(text)).lower()
        best = [
            (found.start(), name) for name, kind in weights.SUBJECTS.items() if (found := kind.words.search(spaced))
        ]
        if best:
            # `pool timeout` is a timeout: the last word of a name says what it is.
            name = _last_subject(spaced)
            plain = not setting and weights.CONFIGURATION.search(path)  # `name value`, as nginx writes it
            shown = head.strip(" \"'-:=(") if setting else line.split(maxsplit=1)[0] if plain else f"a {name} value"
            return f"{short(shown)}", weights.SUBJECTS[name]
    return short(head.strip(" \"'-:=(") or "a value"), None


def _last_subject(spaced: str) -> str:
    places = {
        name: max((found.start(), found.end()) for found in kind.words.finditer(spaced))
        for name, kind in weights.SUBJECTS.items()
        if kind.words.search(spaced)
    }
    # Sizes, limits and maxima are of something: `pool size` is about the pool.
    specific = {name: place for name, place in places.items() if name not in weights.GENERIC_SUBJECTS} or places
    return max(specific, key=lambda name: specific[name])


def _words_of(line: str) -> Counter[str]:
    return Counter(re.findall(r"[A-Za-z_]\w*", line))
