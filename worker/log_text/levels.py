"""How bad a line of a log says it is, in Loki's words: trace, debug, info, warn, error, critical, fatal."""

from __future__ import annotations

import re
from typing import Final

_HEAD: Final = 120
"""Characters at the start of a line in which its level is looked for."""

_WORDS: Final = {
    **dict.fromkeys(("trace", "finest", "finer", "verbose", "trc"), "trace"),
    **dict.fromkeys(("debug", "dbg", "fine", "d"), "debug"),
    **dict.fromkeys(("info", "information", "informational", "notice", "inf", "i"), "info"),
    **dict.fromkeys(("warn", "warning", "wrn", "w"), "warn"),
    **dict.fromkeys(("error", "err", "eror", "severe", "e"), "error"),
    **dict.fromkeys(("critical", "crit", "alert", "c"), "critical"),
    **dict.fromkeys(("fatal", "panic", "emerg", "emergency", "ftl", "f"), "fatal"),
}
_LONG_WORDS: Final = "|".join(sorted((word for word in _WORDS if len(word) > 2), key=len, reverse=True))
_FIELD: Final = re.compile(r"\b(?:log[._]?)?(?:level|lvl|severity)[\"']?\s*[=:]\s*[\"']?([a-z]+)")
# A level stands in capitals, in brackets or bars, before a colon or after the time: "error" in a sentence is no level.
_HEADED: Final = re.compile(
    rf"(?<![\w.-])(?:({_LONG_WORDS.upper()})(?![\w.-])"
    rf"|(?i:[\[(<|]\s*({_LONG_WORDS}|[diwefc])\s*[\])>|]|({_LONG_WORDS})\s*:(?!\w)|(?<=[\d\]Z] )({_LONG_WORDS})(?=\s)))"
)
_KLOG_LETTER: Final = re.compile(r"^([IWEF])\d{4} \d\d:\d\d:")
_STATUS_5XX: Final = re.compile(r"HTTP/\d(?:\.\d)?\" 5\d\d\b")
THROWN: Final = re.compile(
    r"(?:[\w$]+\.)*[A-Z]\w*(?:Exception|Error)\b(?=:|$)"
    r"|Exception in thread |Traceback \(most recent call last\)|panic\b"
)
"""What stands at the start of a line that tells of an exception."""


def level_word(word: object) -> str | None:
    """The level that a word or a number means: pino and bunyan count in tens, from 10 for trace to 60 for fatal."""
    if isinstance(word, int) and not isinstance(word, bool):
        return {1: "trace", 2: "debug", 3: "info", 4: "warn", 5: "error", 6: "fatal"}.get(word // 10)
    return _WORDS.get(word.strip().lower()) if isinstance(word, str) else None


def level_of(line: str) -> str | None:
    """The level that a plain line names, or shows by what it is; None when it does neither."""
    head = line[:_HEAD]
    start = line[: 4 * _HEAD].lower()
    # Three searches for a word are far quicker than one for a pattern, and most lines have none of these.
    if any(key in start for key in ("level", "lvl", "severity")):
        found = _FIELD.search(start)
        if found and (level := level_word(found[1])):
            return level
    if found := _KLOG_LETTER.match(head):
        return level_word(found[1])
    if found := _HEADED.search(head):
        return level_word(next(filter(None, found.groups())))
    return "error" if _STATUS_5XX.search(line) or THROWN.match(head) else None
