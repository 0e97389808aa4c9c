"""Lines grouped by template in a bounded tree, after Drain (He et al., ICWS 2017).

Drain puts lines of the same length and first word together when enough of their words are the same. A fixed similarity
also puts "cannot open config" with "cannot parse config". Here two shapes with different words become one only when
that position has shown itself to be variable, by several shapes that differ there and nowhere else; and words that
tell what went wrong are never taken for variable.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from heapq import nsmallest
from typing import Final, Generic, TypeVar

MOST_TEMPLATES: Final = 2_000
"""Of one tree. Beyond them the rarest go."""

WILD: Final = "<*>"
"""Stands for any one word."""

ENOUGH_ALIKE: Final = 5
"""Shapes that differ in the same places and nowhere else: from then on those places are variable."""
SIMILARITY: Final = 0.6
"""The share of words that shapes of one template have in common, at least."""

_MOST_FIRST_WORDS: Final = 50
_MOST_IN_LEAF: Final = 64
_MOST_KNOWN_SHAPES: Final = 20_000

_SAYS_WHAT: Final = re.compile(
    r"""
    (error|exception|failure)s?$
    | ^(err|fail|refus|reject|den(y|ied)|timed?.?out|time[dr]|unavail|unreach|unauth|forbid|kill|crash|panic|fatal|crit
    |abort|cancel|clos|reset|lost|miss|invalid|illegal|corrupt|overflow|exceed|exhaust|expir|full$|slow|dead|stuck|block
    |leak|drop|retr|restart|start|stop|shut|connect|disconnect|open|read|writ|load|pars|decod|encod|send|sent|receiv
    |creat|delet|updat|insert|commit|rollback|succe|complet|finish|ok$|not?$|un?able|cannot|can't|duplicat|conflict)
    | =. | ^[a-z]+[A-Z]\w*$ | ^(?:[A-Z][a-z0-9]+){2,}$ | \(\)$ | ^[1-5]\d\d$
    """,
    re.VERBOSE,
)

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Template(Generic[T]):
    """Lines that differ in their variable parts only, with what is counted of them."""

    tokens: tuple[str, ...]
    tally: T
    lines: int = 0
    wild: tuple[int, ...] = ()
    """The places of words that turned out to be variable."""
    gone: bool = False
    """Dropped, or joined to another."""

    def __str__(self) -> str:
        return " ".join(self.tokens)


@dataclass(slots=True)
class _Length(Generic[T]):
    """The templates of one kind and one number of words, by their first word."""

    leaves: dict[str, list[Template[T]]] = field(default_factory=lambda: defaultdict(list))

    def leaf(self, first: str) -> list[Template[T]]:
        """Where a line with that first word belongs. When there are many, the first word is variable itself."""
        if first in self.leaves or len(self.leaves) < _MOST_FIRST_WORDS:
            return self.leaves[first]
        if WILD not in self.leaves:
            alone = [word for word, leaf in self.leaves.items() if len(leaf) == 1]
            self.leaves[WILD] = [template for word in alone for template in self.leaves.pop(word)]
        return self.leaves[WILD]


class Templates(Generic[K, T]):
    """The templates of lines of several kinds; those of different kinds are never put together."""

    def __init__(self, tally: Callable[[], T], join: Callable[[T, T], None], most: int = MOST_TEMPLATES) -> None:
        """`tally` makes an empty one; `join` adds the second to the first."""
        self._tally = tally
        self._join = join
        self._most = most
        self._lengths: dict[tuple[K, int], _Length[T]] = {}
        self._known: dict[tuple[K, tuple[str, ...]], Template[T]] = {}
        self._count = 0
        self.dropped_templates = 0
        self.dropped_lines = 0
        """Lines of the templates that had to go."""

    def __iter__(self) -> Iterator[tuple[K, Template[T]]]:
        for (kind, _), length in self._lengths.items():
            for leaf in length.leaves.values():
                for template in leaf:
                    yield kind, template

    def __len__(self) -> int:
        return self._count

    def add(self, kind: K, tokens: tuple[str, ...]) -> Template[T]:
        """The template that a line belongs to, with the line counted."""
        template = self._known.get((kind, tokens))
        if template is None or template.gone:
            template = self._find(kind, tokens)
            if len(self._known) >= _MOST_KNOWN_SHAPES:
                self._known.clear()
            self._known[kind, tokens] = template
        template.lines += 1
        return template

    def _find(self, kind: K, tokens: tuple[str, ...]) -> Template[T]:
        length = self._lengths.setdefault((kind, len(tokens)), _Length())
        leaf = length.leaf(tokens[0] if tokens else "")
        alike: dict[tuple[int, ...], list[Template[T]]] = defaultdict(list)
        for template in leaf:
            places = _differences(template, tokens)
            if places == ():
                return template
            if places is not None:
                alike[places].append(template)
        places, group = max(alike.items(), key=lambda item: len(item[1]), default=((), []))
        if len(group) + 1 >= ENOUGH_ALIKE:
            return self._joined(leaf, group, places)
        return self._new(leaf, tokens)

    def _joined(self, leaf: list[Template[T]], group: Sequence[Template[T]], places: tuple[int, ...]) -> Template[T]:
        """One template for shapes that differ in those places only."""
        first, *others = group
        for other in others:
            self._join(first.tally, other.tally)
            first.lines += other.lines
            other.gone = True
        first.wild = tuple(sorted({*places, *(place for template in group for place in template.wild)}))
        first.tokens = tuple(WILD if place in first.wild else word for place, word in enumerate(first.tokens))
        leaf[:] = [template for template in leaf if not template.gone]
        self._count -= len(others)
        return first

    def _new(self, leaf: list[Template[T]], tokens: tuple[str, ...]) -> Template[T]:
        if len(leaf) >= _MOST_IN_LEAF:
            self._drop([leaf], _MOST_IN_LEAF // 4)
        elif self._count >= self._most:
            self._drop([leaf for length in self._lengths.values() for leaf in length.leaves.values()], self._most // 4)
        template = Template(tokens, self._tally())
        leaf.append(template)
        self._count += 1
        return template

    def _drop(self, leaves: Sequence[list[Template[T]]], count: int) -> None:
        everything = (template for leaf in leaves for template in leaf)
        for template in nsmallest(count, everything, key=lambda template: template.lines):
            template.gone = True
            self.dropped_templates += 1
            self.dropped_lines += template.lines
            self._count -= 1
        for leaf in leaves:
            leaf[:] = [template for template in leaf if not template.gone]


def _differences(template: Template[T], tokens: tuple[str, ...]) -> tuple[int, ...] | None:
    """The places where a line has another word than the template; None when they cannot be of one template."""
    most = int(len(tokens) * (1 - SIMILARITY))
    places = []
    for place, (ours, theirs) in enumerate(zip(template.tokens, tokens, strict=True)):
        if ours is theirs or ours == theirs:
            continue
        if _says_what(theirs) or (ours != WILD and _says_what(ours)):
            return None
        if ours != WILD:
            places.append(place)
            if len(places) > most:
                return None
    return tuple(places)


@lru_cache(maxsize=16_384)
def _says_what(token: str) -> bool:
    """Whether a word tells what happened, so that lines with another in its place are about something else."""
    word = token.strip(".,;:!?\"'()[]{}")
    return _SAYS_WHAT.search(word if not word.isupper() else word.lower()) is not None
