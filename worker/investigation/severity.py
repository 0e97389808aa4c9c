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
# A line that names no level speaks for itself: these words mean trouble, unless it says that there was none of it or
# that it is over.
_TROUBLE: Final = re.compile(
    r"\b(errors?|errored|exceptions?|panic(s|ked)?|fatal|critical|traceback|refused|failed|failures?)\b(?!\.\w)"
    r"|\b(errors?|failures?)_(code|count|total)\b"
    r"|\b(timed? ?out|unavailable|denied|killed)\w*"
    r"|\b(?-i:\w+(?:Error|Exception))\b",
    re.IGNORECASE,
)
_NO_TROUBLE: Final = re.compile(
    r"\b(0|no|without) (errors?|failures?|failed)\b"
    r"|\b(errors?|failures?|failed)(_\w+)?[\"']?[=: ]+0\b(?![.:]\d)"
    r"|(?<!not )(?<!never )\b(succeeded|succeeds|recovered|reconnected|restored)\b[^.;]*"
    r"\b(after|from|despite|on attempt|on retry)\b[^.;]*",
    re.IGNORECASE,
)
_WARNING: Final = re.compile(r"\bwarn(ing)?\b", re.IGNORECASE)


def level_of(line: LogLine) -> str:
    """`error`, `warning` or `info`: what the source says, else what the line's words say."""
    if line.level and (level := _LEVELS.get(line.level.lower())):
        return level
    if _TROUBLE.search(line.text) and _TROUBLE.search(_NO_TROUBLE.sub(" ", line.text)):
        return ERROR
    return WARNING if _WARNING.search(line.text) else OTHER
