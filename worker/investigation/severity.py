"""How bad a log line is: an error, a warning, or neither."""

from __future__ import annotations

import re
from typing import Final

from worker.inquiry import LogLine

ERROR: Final = "error"
WARNING: Final = "warning"
OTHER: Final = "info"

_LEVELS: Final = {
    **dict.fromkeys(
        ("error", "err", "e", "fatal", "f", "critical", "crit", "panic", "emerg", "alert", "severe"), ERROR
    ),
    **dict.fromkeys(("warning", "warn", "w"), WARNING),
    **dict.fromkeys(("info", "debug", "trace", "notice", "i", "d"), OTHER),
}
# A line that names no level speaks for itself: these words mean trouble, unless it says that there was none of it.
_TROUBLE: Final = re.compile(
    r"\b(error|exception|panic|fatal|critical|traceback|refused|failed|failure)\w*"
    r"|\b(timed? ?out|unavailable|denied|killed)\w*"
    r"|\b(?-i:\w+(?:Error|Exception))\b",
    re.IGNORECASE,
)
_NO_TROUBLE: Final = re.compile(
    r"\b(0|no|without) (errors?|failures?)\b|\b(errors?|failures?|failed)[\"']?[=: ]+0\b", re.IGNORECASE
)
_WARNING: Final = re.compile(r"\bwarn(ing)?\b", re.IGNORECASE)


def level_of(line: LogLine) -> str:
    """`error`, `warning` or `info`: what the source says, else what the line's words say."""
    if line.level and (level := _LEVELS.get(line.level.lower())):
        return level
    if _TROUBLE.search(line.text) and not _NO_TROUBLE.search(line.text):
        return ERROR
    return WARNING if _WARNING.search(line.text) else OTHER
