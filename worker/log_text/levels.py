"""How bad a line of a log says it is, in Loki's words: trace, debug, info, warn, error, critical, fatal."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_HEAD: Final = 120
"""Characters at the start of a line in which its level is looked for."""

_WORDS: Final = {
    **dict.fromkeys(("trace", "finest", "finer", "verbose", "trc"), "trace"),
    **dict.fromkeys(("debug", "dbg", "fine", "d"), "debug"),
    **dict.fromkeys(("info", "information", "informational", "notice", "inf", "i"), "info"),
    **dict.fromkeys(("warn", "warning", "wrn", "w"), "warn"),
    **dict.fromkeys(("error", "err", "eror", "severe", "fail", "e"), "error"),
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
_STATUS: Final = re.compile(r"HTTP/\d(?:\.\d)?\" ([1-5])\d\d\b")
# https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/: its type, its reason.
_KUBERNETES_EVENT: Final = re.compile(r"^(?:\S+ +){0,2}(Normal|Warning) +[A-Z][a-z]+\w*\s")
# https://www.postgresql.org/docs/current/runtime-config-logging.html: no trouble, or part of the line before.
_POSTGRES: Final = re.compile(r"(?<![\w.-])(?:LOG|STATEMENT|DETAIL|HINT|CONTEXT|QUERY):  ")
_PRIORITY: Final = re.compile(r"^<(\d{1,3})>")
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


def syslog_level(severity: object) -> str | None:
    """The level of a syslog severity, 0 to 7: RFC 5424, section 6.2.1. journald has it as text."""
    if isinstance(severity, str) and severity.isascii() and severity.isdigit():
        severity = int(severity)
    if not isinstance(severity, int) or isinstance(severity, bool) or not 0 <= severity <= 7:
        return None
    return ("fatal", "critical", "critical", "error", "warn", "info", "info", "debug")[severity]


def opentelemetry_level(number: object) -> str | None:
    """The level of a SeverityNumber: https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber."""
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 24:
        return None
    return ("trace", "debug", "info", "warn", "error", "fatal")[(number - 1) // 4]


_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]], ...]] = (
    (_PRIORITY, lambda found: syslog_level(int(found[1]) % 8)),
    (_KLOG_LETTER, lambda found: level_word(found[1])),
    (_KUBERNETES_EVENT, lambda found: "warn" if found[1] == "Warning" else "info"),
    (_POSTGRES, lambda found: "info"),
    (_HEADED, lambda found: level_word(next(filter(None, found.groups())))),
)


def level_of(line: str) -> str | None:
    """The level that a plain line names, or shows by what it is; None when it does neither."""
    head = line[:_HEAD]
    start = line[: 4 * _HEAD].lower()
    # Three searches for a word are far quicker than one for a pattern, and most lines have none of these.
    if any(key in start for key in ("level", "lvl", "severity")):
        found = _FIELD.search(start)
        if found and (level := level_word(found[1])):
            return level
    for pattern, read in _FORMS:
        if found := pattern.search(head):
            return read(found)
    if found := _STATUS.search(line):
        return "error" if found[1] == "5" else "info"
    return "error" if THROWN.match(head) else None
