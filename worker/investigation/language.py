"""Whether a text is English: small models fall into the language of the logs, or into the one they know best."""

from __future__ import annotations

import re
from typing import Final


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_ENGLISH: Final = _words(
    "the and of to is was are were in on at for with from by this that it its which because after before not no has "
    "have been be as an or"
)
# The commonest words of the languages that share our letters; without those that are English words too.
_OTHERS: Final = tuple(
    map(
        _words,
        (
            "der das und ist nicht ein eine den dem von zu mit sich auf für wurde wird durch nach bei oder werden",
            "le la les et est une un des du de dans pour par sur avec qui que pas ce cette ont été sont",
            "el la los las y es una un de del en por para con que se no ha fue su al está",
            "o os as e é uma um do da dos das em por para com que não foi se ao na no está",
            "il la lo gli e è una un di del della in per con che non si ha sono stato nel dei",
            "de het een en is van te dat niet op voor met zijn door werd bij naar aan",
        ),
    )
)

_FEWEST: Final = 4
"""Words of another language below which a name or a quoted error may be all that is foreign."""


def is_english(text: str) -> bool:
    """False only when it plainly is not: a third of the letters are of another script, or the small words of another
    language are more than twice ours.
    """
    letters = [char for char in text if char.isalpha()]
    if 3 * sum(char > "\u024f" for char in letters) > len(letters):
        return False
    words = re.findall(r"[^\W\d_]+", text.lower())
    ours = sum(word in _ENGLISH for word in words)
    theirs = max(sum(word in other for word in words) for other in _OTHERS)
    return theirs < _FEWEST or theirs <= 2 * ours
