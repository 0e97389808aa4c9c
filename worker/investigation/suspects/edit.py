"""One thing that a change did."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


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
    felt_by_name: bool = False
    """Whether errors that it causes quote one of its literals as a rule."""


def short(text: str) -> str:
    """The start of a text on one line, to be quoted in a reason."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 80 else f"{one_line[:79]}…"


def count(pattern: re.Pattern[str], lines: Iterable[str]) -> int:
    """How many lines hold what a pattern looks for."""
    return sum(pattern.search(line) is not None for line in lines)
