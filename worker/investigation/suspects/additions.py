"""What harms by being added: rules that deny, memories that only grow, waiting for what cannot come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from worker.investigation.suspects import weights
from worker.investigation.suspects.edit import Edit, short


def additions(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    """The dangerous kinds of new lines."""
    if weights.CONFIGURATION.search(path):
        yield from _denials(removed, added, path)
    else:
        yield from _memories(removed, added, path)
        yield from _waiting(removed, added, path)


def _denials(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    found = [line for line in added if weights.DENIES.search(line)]
    if found and not any(weights.DENIES.search(line) for line in removed):
        subject = weights.SUBJECTS["access"]
        said = f"added a rule that denies or limits: {short(found[0])}"
        yield Edit(said, weights.SAFETY_REMOVED, subject.lowered | subject.raised, path=path)


_FIELD: Final = re.compile(
    r"^(?:(?:private|public|protected|internal|static|final|readonly|volatile|val|var|let|const|self\.|this\.|@|_)\s*)+.*"
    r"(?:(?:Map|List|Set|Dictionary|Queue|Deque|Collection|Vec|Slice|Array)\w*\s*(?:<.*>)?\s*[({\[]|=\s*(?:\{\}|\[\]|set\(\)|dict\(\)|list\(\))"
    r"|make\(map)|^\w+\s+map\[|^[A-Z_]{3,}\s*(?::.*)?=\s*(?:\{\}|\[\]|set\(\)|dict\(\))",
)
_KEEPS: Final = re.compile(
    r"\.(?:put|add|append|push|insert|offer|set|enqueue|computeIfAbsent|extend)\w*\(|\w\[[^\]]+\]\s*=[^=]"
)
_LETS_GO: Final = re.compile(
    r"remov|delet|\bpop|evict|clear|expir|ttl|max|limit|weak|lru|bound|capacity|poll\(|drain|purge|prune|shrink",
    re.IGNORECASE,
)


def _memories(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    fields = [line for line in added if _FIELD.search(line)]
    keeps = [line for line in added if _KEEPS.search(line) and line not in fields]
    if fields and keeps and not any(_LETS_GO.search(line) for line in added):
        said = f"keeps what it is given and lets nothing go: {short(keeps[0])}"
        yield Edit(said, weights.OTHER_SETTING, frozenset(("memory", "restart")), slow=True, path=path)


_STARTS: Final = re.compile(r"\bsubmit\(|executor|pool\b|async|Future|spawn|Task\b|go func|launch", re.IGNORECASE)
_WAITS: Final = re.compile(
    r"\.(?:get|result|join|wait|block|await)\(\)|\.Wait\(|\.Result\b|GetResult\(\)|runBlocking|run_until_complete|<-\s*\w+"
)


def _waiting(removed: Sequence[str], added: Sequence[str], path: str) -> Iterator[Edit]:
    waits = [line for line in added if _WAITS.search(line)]
    starts = any(_STARTS.search(line) for line in added)
    if waits and starts and not any(_WAITS.search(line) for line in removed):
        said = f"waits for a task that needs a thread of its own: {short(waits[0])}"
        breaks = frozenset(("pool", "timeout", "lag", "lock", "overload"))
        yield Edit(said, weights.OTHER_SETTING, breaks, path=path)
