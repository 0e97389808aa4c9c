"""The words that texts share: what ties a change or a rule to an error."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

_PIECE: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d{3,}")
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_SHORTEST: Final = 3

# Words that every log, diff and commit message has: sharing them says nothing.
COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        """
    the and for not with from that this have has was were are but its into out off all any can may will use used
    using uses new old add added adds fix fixed fixes update updated remove removed change changed changes set
    get make made via per error errors err exception exceptions warning warn info debug fatal panic failed fail
    fails failure failures at in on of to is be by as or if else return true false null none nil var let const
    func def class public private static void string int bool self import namespace package system line lines
    file files code test tests src main http https www com org net log logs logger logging level message msg
    service services api app application server client request requests response value values name key data type
    object stack trace call called method function one two first last utc gmt jan feb mar apr jun jul aug sep
    oct nov dec index diff git
        """,
    )
)


def words(text: str) -> frozenset[str]:
    """The telling words of `text`, lower case: identifiers whole and in their camelCase and snake_case pieces."""
    found: set[str] = set()
    for word in _WORD.findall(text):
        found.add(word.lower())
        found.update(piece.lower() for piece in _PIECE.findall(word))
    return frozenset(word for word in found if len(word) >= _SHORTEST and word not in COMMON and not word.isdigit())


def pieces(text: str) -> list[str]:
    """The parts of identifiers in `text`, in order: `maxIdleConns` and `max_idle_conns` give max, idle, conns."""
    return [piece for word in _WORD.findall(text) for piece in _PIECE.findall(word)]


def rarity(texts: Iterable[frozenset[str]]) -> dict[str, float]:
    """For each word, 1 divided by the number of texts that have it."""
    seen = Counter(word for text in texts for word in text)
    return {word: 1 / count for word, count in seen.items()}
