"""Numbers with their units, so that 15 minutes and 15 seconds are not taken for the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_SECONDS: Final = {
    "nanosecond": 1e-9, "nanos": 1e-9, "ns": 1e-9,
    "microsecond": 1e-6, "micros": 1e-6, "us": 1e-6, "µs": 1e-6,
    "millisecond": 1e-3, "millis": 1e-3, "ms": 1e-3,
    "second": 1.0, "secs": 1.0, "sec": 1.0, "s": 1.0,
    "minute": 60.0, "mins": 60.0, "min": 60.0, "m": 60.0,
    "hour": 3600.0, "h": 3600.0, "day": 86400.0, "d": 86400.0,
}  # fmt: skip
_BYTES: Final = {
    "b": 1.0, "k": 1e3, "kb": 1e3, "ki": 1024.0, "kib": 1024.0, "mb": 1e6, "mi": 1024.0**2, "mib": 1024.0**2,
    "g": 1e9, "gb": 1e9, "gi": 1024.0**3, "gib": 1024.0**3, "t": 1e12, "tb": 1e12, "ti": 1024.0**4, "tib": 1024.0**4,
}  # fmt: skip
UNITS: Final = {word + plural: size for word, size in _SECONDS.items() if len(word) > 3 for plural in ("", "s")}
"""The units of time that are written out, in seconds, as words and as names in programs."""
_UNIT_WORDS: Final = "|".join(sorted({*_SECONDS, *_BYTES}, key=len, reverse=True))

VERSION: Final = re.compile(r"(?<![\w.])[vV]?\d+\.\d+\.\d+(?:[-+.][\w.]+)?|(?<![\w.])v\d+\.\d+\b")

_QUANTITY: Final = re.compile(
    rf"(?<![\w.#$])(?P<number>-?\d[\d_]*(?:\.\d+)?)(?P<unit>(?i:\s?(?:{_UNIT_WORDS})s?)\b|%)?"
    r"(?P<named>\s*\*\s*(?:\w+\.)*(?:Nano|Micro|Milli)?(?:[Ss]econds?|[Mm]inutes?|[Hh]ours?)|\.(?:nano|micro|milli)?"
    r"(?:seconds?|minutes?|hours?|days?)\b)?(?![\w])"
)
_UNIT_BEFORE: Final = re.compile(
    r"(?:of|from|in|Time(?:Span|Unit)?\.(?:From)?)?_?(nanos|micros|millis|milliseconds|seconds|minutes|hours|days)"
    r"(?:onds)?\b\W{0,2}[(=:]?\s*$|\b\w*_(ms|secs?|seconds|minutes|millis)[\"']?\s*[:=]\s*[\"']?$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as it stands in a line of code or configuration."""

    text: str
    value: float
    """In seconds or bytes where it has such a unit."""
    unit: str
    """`time`, `size`, or nothing."""


def quantities(line: str) -> list[Quantity]:
    """The numbers of a line, in their order; versions are none."""
    return [_quantity(found, line) for found in _QUANTITY.finditer(VERSION.sub(" ", line))]


def masked(line: str) -> str:
    """The line with every number as `#`: two lines that differ in values only are equal then."""
    return _QUANTITY.sub("#", VERSION.sub("#", line))


def _quantity(found: re.Match[str], line: str) -> Quantity:
    value = float(found["number"].replace("_", ""))
    text = " ".join(found[0].split())
    named = (found["named"] or "").strip(" .*").rpartition(".")[2].lower().rstrip("s")
    unit = (found["unit"] or "").strip()
    if not named and not unit and (before := _UNIT_BEFORE.search(line[: found.start()])):
        named = next(filter(None, before.groups())).lower().rstrip("s")
    if named:
        factor = next((size for name, size in _SECONDS.items() if name.rstrip("s") == named), 1.0)
        return Quantity(text, value * factor, "time")
    lower = unit.lower()
    # A capital M is a size in every configuration language; a small one is minutes.
    if unit in ("M", "K", "G", "T"):
        return Quantity(text, value * {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[unit], "size")
    for table, kind in ((_SECONDS, "time"), (_BYTES, "size")):
        for name in (lower, lower.rstrip("s")):
            if name and name in table:
                return Quantity(text, value * table[name], kind)
    return Quantity(text, value, "")
