"""What kept small troubles small, and is gone: checks, locks, limits, retries, closing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from worker.investigation.suspects import weights
from worker.investigation.suspects.edit import Edit, count, short


def _handed_on(removed: Sequence[str], added: Sequence[str]) -> bool:
    """Whether a call whose result was checked and returned is now returned as it is: the same in fewer lines."""
    called = {name for line in removed for name in re.findall(r"([\w.]+)\(", line)}
    return any(name in called for line in added for name in re.findall(r"^return (?:await )?([\w.]+)\(", line))


def guards(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    if len(added) == 1 and _handed_on(removed, added):
        return
    for said, (pattern, breaks) in weights.GUARDS.items():
        found = re.compile(pattern, re.IGNORECASE)
        lost = count(found, removed) - count(found, added)
        if lost > 0:
            example = next(line for line in removed if found.search(line))
            instead = count(found, added) or any(_gained(kind, removed, added) for kind, _ in weights.GUARDS.values())
            risk = weights.GUARD_REMOVED * (0.5 if instead else 1.0)
            yield Edit(f"removed {said}: {short(example)}", risk, frozenset(breaks.split()), path=path)


def _gained(pattern: str, removed: Sequence[str], added: Sequence[str]) -> bool:
    """Whether a guard of this kind has come in the place of what is lost."""
    found = re.compile(pattern, re.IGNORECASE)
    return count(found, added) > count(found, removed)


def gone(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    for said, (pattern, breaks) in weights.SAFETY.items():
        found = re.compile(pattern, re.IGNORECASE)
        lost = [line for line in removed if found.search(line)]
        if lost and not any(found.search(line) for line in added):
            yield Edit(
                f"removed {said}: {short(lost[0])}", weights.SAFETY_REMOVED, frozenset(breaks.split()), path=path
            )
        elif len(lost) > count(found, added):
            risk = weights.SAFETY_REMOVED * 0.5
            yield Edit(f"removed {said} in part: {short(lost[0])}", risk, frozenset(breaks.split()), path=path)
