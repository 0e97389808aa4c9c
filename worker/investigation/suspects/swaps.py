"""One thing put in the place of another on a line: an identifier, a type, a part of a list, an image, a schedule."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from worker.investigation.suspects import weights
from worker.investigation.suspects.diffs import Hunk
from worker.investigation.suspects.edit import Edit, short
from worker.investigation.suspects.quantities import UNITS, quantities
from worker.investigation.suspects.values import governs
from worker.investigation.vocabulary import pieces

_IDENTIFIER: Final = re.compile(r"[A-Za-z_]\w*")
_QUOTED: Final = re.compile(r"\"([^\"\\]{1,120})\"|'([^'\\]{1,120})'")
_TYPE: Final = re.compile(
    r"(?<![\w.\"'])(?:u?int(?:8|16|32|64)?|integer|bigint|smallint|long|float(?:32|64)?|double|decimal|numeric|number|str|"
    r"string|text|varchar|bool(?:ean)?|timestamp(?:tz)?|datetime|date|bytes|json)\b(?!\s*=[^=])"
    r"|\b(?:to_[isf]|toString|parseInt|parseFloat|Atoi|Itoa|parse_(?:int|float))\b",
    re.IGNORECASE,
)
_BASE_IMAGE: Final = re.compile(r"^\s*(?:FROM|image:)\s+[\"']?(?P<image>[\w./-]+)(?::(?P<tag>[\w.-]+))?", re.IGNORECASE)
_CRON: Final = re.compile(r"(?<![\w*/])((?:[\d*][\d*/,-]*)(?:[ \t]+[\d*?][\d*/,-]*){3}[ \t]+[\w*?][\w*/,-]*)")
_SPANS: Final = (60, 24, 31, 12, 7)
_MOST_SWAPPED: Final = 2


def swapped(old: str, new: str, hunk: Hunk) -> Iterator[Edit]:
    """What stands on a line in the place of what, beyond amounts and switches."""
    path = hunk.path
    if schedule := _schedule(old, new, path):
        yield schedule
        return
    yield from _image(old, new, path)
    yield from _field_number(old, new, path)
    if lost := _default(old, new, path):
        yield lost
        return
    yield from _shorter_list(old, new, path)
    if converted := _type(old, new, path):
        yield converted
    elif not weights.CONFIGURATION.search(path):
        yield from _identifier(old, new, hunk)


def _schedule(old: str, new: str, path: str) -> Edit | None:
    """How often a line of a crontab runs, which its five fields hide (POSIX, crontab)."""
    before, after = _CRON.search(old), _CRON.search(new)
    if not before or not after or before[1] == after[1]:
        return None
    was, now = _runs(before[1]), _runs(after[1])
    factor = max(was, now) / max(min(was, now), 1e-9)
    subject = weights.SUBJECTS["schedule"]
    risk = weights.BY_TEN if factor >= 8 else weights.BY_HALF if factor >= 1.9 else weights.BY_LITTLE
    said = f"set the schedule from {before[1]} to {after[1]}: {now / max(was, 1e-9):.3g} times as many runs"
    return Edit(said, risk, subject.lowered if now > was else subject.raised, slow=True, path=path)


def _runs(cron: str) -> float:
    """Runs a year, as a share of every minute."""
    share = 1.0
    for field, span in zip(cron.split(), _SPANS, strict=True):
        share *= min(1.0, sum(_matches(part, span) for part in field.split(",")) / span)
    return share


def _matches(part: str, span: int) -> float:
    whole, _, step = part.partition("/")
    first, _, last = whole.partition("-")
    if whole in ("*", "?"):
        many = float(span)
    elif last.isdigit() and first.isdigit():
        many = float(int(last) - int(first) + 1)
    else:
        many = 1.0
    return many / int(step) if step.isdigit() and int(step) else many


def _image(old: str, new: str, path: str) -> Iterator[Edit]:
    before, after = _BASE_IMAGE.match(old), _BASE_IMAGE.match(new)
    if before and after and _family(before) != _family(after):
        said = f"runs on {short(after[0].strip())} where it was {short(before[0].strip())}"
        yield Edit(said, weights.OTHER_IMAGE, weights.OF_IMAGES, path=path)


def _family(image: re.Match[str]) -> tuple[str, str]:
    """The image and the words of its tag, without the numbers of its version."""
    return image["image"], " ".join(re.findall(r"[A-Za-z]{3,}", image["tag"] or ""))


def _shorter_list(old: str, new: str, path: str) -> Iterator[Edit]:
    """A list of names on one line that has lost some and gained none."""
    before, after = _quoted(old), _quoted(new)
    lost = [each for each in before if each not in after]
    if not lost or len(before) < 2 or not after or any(each not in before for each in after):
        return
    subject = governs(old, path)[1]
    breaks = subject.lowered if subject else frozenset(("missing", "permission"))
    said = f"took {short(', '.join(lost))} out of a list"
    yield Edit(said, weights.SAFETY_REMOVED, breaks | {"missing"}, frozenset(lost), path=path)


def _quoted(line: str) -> list[str]:
    return [first or second for first, second in _QUOTED.findall(line)]


def _type(old: str, new: str, path: str) -> Edit | None:
    """A value that is given as another type: whoever reads it expects the old one."""
    before, after = ({found.lower() for found in _TYPE.findall(line)} for line in (old, new))
    if before == after or not (before or after) or not (before and after):
        return None
    names = [each for each in _quoted(old) if each in _quoted(new)] or _IDENTIFIER.findall(old)[:1]
    said = f"gives {short(names[0]) if names else 'a value'} as {', '.join(sorted(after - before)) or 'another type'}"
    said += f" where it was {', '.join(sorted(before - after)) or 'another type'}"
    return Edit(said, weights.RENAMED, frozenset(("parse", "wrong", "crash")), frozenset(names), path=path)


_LOOKUP: Final = re.compile(
    r"(?:get\w*|env|fetch|lookup)\(\s*[\"']([\w.-]+)[\"']\s*(,)?|\[\s*[\"']([\w.-]+)[\"']\s*\]", re.IGNORECASE
)


def _default(old: str, new: str, path: str) -> Edit | None:
    """A name that was looked up with something to fall back on, and is not any more."""
    with_default = {name for name, default, _ in _LOOKUP.findall(old) if default}
    without = {name or other for name, default, other in _LOOKUP.findall(new) if not default}
    if not (gone := frozenset(with_default & without)):
        return None
    breaks = frozenset(("missing", "crash", "restart"))
    return Edit(f"needs {short(', '.join(gone))}, which had a default", weights.GUARD_REMOVED, breaks, gone, path=path)


_FIELD: Final = re.compile(r"^\s*(?:(?:repeated|optional|required)\s+)?[\w.<>, ]+\s(\w+)\s*=\s*(\d+)\b")


def _field_number(old: str, new: str, path: str) -> Iterator[Edit]:
    """Fields are told apart by their numbers, which must never change: https://protobuf.dev/programming-guides/proto3/#assigning."""
    was, now = _FIELD.match(old), _FIELD.match(new)
    if path.endswith(".proto") and was and now and was[1] == now[1] and was[2] != now[2]:
        breaks = frozenset(("parse", "wrong", "missing"))
        said = f"the field {now[1]} = {now[2]} was {was[1]} = {was[2]}"
        yield Edit(said, weights.RENAMED, breaks, frozenset((was[1], now[1])), path=path)


def _identifier(old: str, new: str, hunk: Hunk) -> Iterator[Edit]:
    before, after = _IDENTIFIER.findall(old), _IDENTIFIER.findall(new)
    if len(before) != len(after) or [each.value for each in quantities(old)] != [
        each.value for each in quantities(new)
    ]:
        return
    other = [(was, now) for was, now in zip(before, after, strict=True) if was != now]
    if not other or len(other) > _MOST_SWAPPED or Counter(before) == Counter(after):
        return
    was, now = other[0]
    if now in _IDENTIFIER.findall(" ".join(hunk.removed)) or was in _IDENTIFIER.findall(" ".join(hunk.added)):
        return  # renamed, or moved from one line to another
    if was.lower() in UNITS and now.lower() in UNITS:
        lowered = UNITS[now.lower()] < UNITS[was.lower()]
        subject = governs(old, hunk.path)[1]
        breaks = (subject.lowered if lowered else subject.raised) if subject else frozenset(("timeout", "wrong"))
        yield Edit(f"counts in {now} what was in {was}", weights.BY_TEN, breaks | {"wrong"}, path=hunk.path)
        return
    only = set(pieces(was.lower())) ^ set(pieces(now.lower())) | set(pieces(was)) ^ set(pieces(now))
    spaced = " ".join(sorted(each.lower() for each in only))
    subject = next((kind for kind in weights.SUBJECTS.values() if kind.words.search(spaced)), None)
    if subject is None:
        return
    breaks = subject.lowered | subject.raised
    yield Edit(f"put {now} in the place of {was}", weights.OTHER_SETTING, breaks, frozenset((was, now)), path=hunk.path)
