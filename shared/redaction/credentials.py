"""Whether a value that stands where a secret would is one: masks, references and words are none.

Pure functions of a name and a value. How random a value is, is judged by Shannon's entropy over its characters, as
detect-secrets and gitleaks do.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import re2

LONGEST_JUDGED: Final = 4_096
"""Characters of a value that are looked at; what is longer is no word and no reference."""


@dataclass(frozen=True, slots=True)
class StandIns:
    """What stands for a secret and is none."""

    patterns: Any
    words: frozenset[str]
    samples: frozenset[str]
    names: Any
    name_starts: frozenset[str]

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Self:
        """The `stand_ins` of rules.toml."""
        return cls(
            patterns=re2.compile("|".join(f"(?:{pattern})" for pattern in table["patterns"])),
            words=frozenset(table["words"]),
            samples=frozenset(table["samples"]),
            names=re2.compile(table["names"]),
            name_starts=frozenset(table["name_starts"]),
        )

    def stands_in(self, value: str) -> bool:
        """Whether a value is a mask, a reference, a published sample or a row of the alphabet."""
        return (
            value in self.samples
            or len(set(value)) <= 2
            or self.patterns.search(value) is not None
            or "abcdefghij" in value.lower()
            or _REPEATED.search(value) is not None
        )

    def is_word(self, value: str) -> bool:
        """Whether a value is a word that logs write beside such names (`token: expired`)."""
        return value.strip(".,!?:").lower() in self.words

    def harmless(self, key: str) -> bool:
        """Whether a name only looks as if it held a secret (`public key`, `next_page_token`)."""
        words = [word.lower() for word in _WORDS.findall(key)]
        return self.names.search(key) is not None or any(word in self.name_starts for word in words[-2:-1])


_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_REPEATED: Final = re.compile(r"(\d{3,12})(?:-\1){2}")

Check = Callable[[StandIns, str, str], bool]
"""Whether a value, which is no stand-in, is a secret: of the stand-ins, its name (may be empty) and the value."""


def is_secret(stand_ins: StandIns, check: Check, key: str, found: str) -> bool:
    """Whether what was `found` under the name `key` is a secret; the punctuation after it counts for masks only."""
    judged = found[:LONGEST_JUDGED]
    value = judged.rstrip(TRAILING)
    return bool(value) and check(stand_ins, key, value) and not any(map(stand_ins.stands_in, {judged, value}))


def entropy(value: str) -> float:
    """Bits per character, from how often each character occurs."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values())


TRAILING: Final = ",.:;!?)]}|*"
"""What may follow a bare value and is no part of it. `abc...` was cut off by who wrote it."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX: Final = re.compile(r"(?:0x)?[0-9a-fA-F]+")
_PLAIN: Final = re.compile(
    r"[a-z][a-z0-9.+-]*://.*"  # an address
    r"|\d{4}-\d\d-\d\d(?:[T ].*)?|\d{1,11}(?:\.\d{1,9})?[a-zA-Z%]{0,3}"  # a time, an amount
    r"|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|v?\d+(?:\.\d+){1,3}"  # an IP address, a version
    r"|(?:[a-z]+-)+[a-z0-9]{1,10}|(?:[a-z]+_)+\d{1,4}|[A-Za-z]{2,12}\d{1,6}"  # names of resources
)
_NAMED: Final = re.compile(r"[A-Za-z]?[a-z]+(?:[A-Z][a-z]+)+\d{0,2}|[a-z]+(?:[_-][a-z]+)+|[A-Z]+(?:_[A-Z]+)+")
_LIKE_TELEGRAM: Final = re.compile(r"\d+:A[\w-]{30,}")
"""Telegram's tokens have a shape of their own, and a rule for it."""

_FRAME: Final = re.compile(r"-----(?:BEGIN|END)[^-]*-----|[^A-Za-z0-9+/]")
_VOWELS: Final = frozenset("aeiouyAEIOUY")


def _worded(value: str) -> bool:
    """Whether letters look like words: vowels as often as in one, no long run without."""
    vowels = sum(letter in _VOWELS for letter in value)
    longest = max(map(len, re.split("[aeiouyAEIOUY]", value)))
    return vowels >= len(value) * 0.25 and longest <= 4


def _unthinkable(value: str, shortest: int, bits: float) -> bool:
    """Whether nobody could have thought of a value."""
    if len(value) < shortest or not value.isprintable() or " " in value:
        return False
    digits, letters = any(map(str.isdigit, value)), any(map(str.isalpha, value))
    if digits and letters:
        return entropy(value) >= bits
    if digits:
        return len(value) >= 12 and len(set(value)) > 4
    return len(value) >= 16 and entropy(value) >= 3.2 and not _NAMED.fullmatch(value) and not _worded(value)


def _any(_stand_ins: StandIns, _key: str, _value: str) -> bool:
    return True


def _phrase(stand_ins: StandIns, _key: str, value: str) -> bool:
    return len(value) >= 4 and not stand_ins.is_word(value)


def _pair(stand_ins: StandIns, _key: str, value: str) -> bool:
    user, _, password = value.partition(":")
    if not password:  # some services take a key as the user, without a password
        return _unthinkable(user, 8, 2.5)
    return (
        len(password) >= 3
        and password != user
        and not stand_ins.is_word(password)
        and not stand_ins.stands_in(password)
    )


def _userinfo(stand_ins: StandIns, _key: str, value: str) -> bool:
    password = value.partition(":")[2] if ":" in value else value
    return len(password) >= 3 and not stand_ins.stands_in(password)


def _cut(_stand_ins: StandIns, _key: str, value: str) -> bool:
    return len(value) >= 4 and not value.isdigit()


def _password(stand_ins: StandIns, key: str, value: str) -> bool:
    if len(value) < 4 or stand_ins.is_word(value) or stand_ins.harmless(key):
        return False
    if key.lower().endswith("pwd") and value.startswith(("/", "~")):
        return False  # the working directory
    words = value.split()
    return len(words) == 1 or any(_unthinkable(word, 6, 2.0) for word in words) or "phrase" in key.lower()


def _token(stand_ins: StandIns, key: str, value: str) -> bool:
    if stand_ins.harmless(key) or _PLAIN.fullmatch(value) or _LIKE_TELEGRAM.fullmatch(value):
        return False
    if _UUID.fullmatch(value):
        return True
    return any(_unthinkable(part, 8, 2.5) and not _PLAIN.fullmatch(part) for part in value.split(":"))


def _session(stand_ins: StandIns, key: str, value: str) -> bool:
    return _UUID.fullmatch(value) is None and _random(stand_ins, key, value)


def _random(_stand_ins: StandIns, _key: str, value: str) -> bool:
    return _unthinkable(value, 12, 2.8)


def _pem(_stand_ins: StandIns, _key: str, value: str) -> bool:
    """More than its first and last line."""
    return len(_FRAME.sub("", value)) >= 40


def _shape(_stand_ins: StandIns, _key: str, value: str) -> bool:
    return entropy(value) >= 2.8


def _key(stand_ins: StandIns, key: str, value: str) -> bool:
    if key.isupper():  # a variable of the environment
        return len(value) >= 16 and _token(stand_ins, key, value)
    if stand_ins.harmless(key) or _UUID.fullmatch(value) or _HEX.fullmatch(value) or _PLAIN.fullmatch(value):
        return False
    return "/" not in value[:1] and any(map(str.isdigit, value)) and _unthinkable(value, 20, 3.5)


def _discord(stand_ins: StandIns, key: str, value: str) -> bool:
    first, _, last = value.split(".", 2)
    mixed = all(any(map(kind, part)) for part in (first, last) for kind in (str.isdigit, str.isupper, str.islower))
    return mixed and _random(stand_ins, key, value)


CHECKS: Final[Mapping[str, Check]] = {
    "any": _any,
    "cut": _cut,
    "discord": _discord,
    "key": _key,
    "pair": _pair,
    "password": _password,
    "pem": _pem,
    "phrase": _phrase,
    "random": _random,
    "session": _session,
    "shape": _shape,
    "token": _token,
    "userinfo": _userinfo,
}
"""The checks that a rule may name."""
