"""Lines of log files read as what they say: when, how bad, and what; with stack traces kept together.

Pure: no file is opened here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from worker.log_text.levels import THROWN, level_of, level_word, opentelemetry_level, syslog_level
from worker.log_text.times import from_epoch, time_of
from worker.printable import printable

LONGEST_TEXT: Final = 8_000
MOST_TRACE_LINES: Final = 24


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a log: a line with the stack trace that belongs to it."""

    text: str
    at: datetime | None = None
    level: str | None = None
    """As in `worker.log_text.levels`."""


def entries(lines: Iterable[str], near: datetime) -> Iterator[Entry]:
    """The events of consecutive lines. A line without a time belongs to the last time seen.

    `near` is when the log is about: it gives syslog's times their year.
    """
    head: Entry | None = None
    trace: list[str] = []
    at: datetime | None = None
    for raw in lines:
        line = clean(raw)
        if head is not None and _continues(line, head, trace):
            trace.append(line)
            continue
        if head is not None:
            yield _joined(head, trace)
        head, trace = (parse(line, near), []) if line.strip() else (None, [])
        if head is not None:
            at = head.at or at
            head = head if head.at else replace(head, at=at)
    if head is not None:
        yield _joined(head, trace)


def parse(line: str, near: datetime) -> Entry:
    """One line by itself."""
    if line.startswith("{"):
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            fields = None
        if isinstance(fields, dict):
            return _from_fields(line, fields, near)
    return Entry(line[:LONGEST_TEXT], time_of(line, near), level_of(line))


def stored(line: str, at: datetime, level: str | None = None) -> Entry:
    """One line whose time, and maybe level, its store tells: neither is looked for then."""
    line = clean(line)
    if line.startswith("{"):
        entry = parse(line, at)
        return Entry(entry.text, at, level or entry.level)
    return Entry(line[:LONGEST_TEXT], at, level or level_of(line))


_TIME_KEYS: Final = ("ts", "timestamp", "time", "@timestamp", "Timestamp", "@t", "date", "datetime", "asctime")
_LEVEL_KEYS: Final = ("level", "severity", "lvl", "log.level", "levelname", "loglevel", "severity_text", "Level", "@l")
_TEXT_KEYS: Final = (
    "line",
    "message",
    "msg",
    "log",
    "event",
    "Message",
    "MessageTemplate",
    "@m",
    "@mt",
    "MESSAGE",
    "short_message",
    "body",
    "Body",
    "text",
)
_CAUSE_KEYS: Final = ("error", "err", "exception", "exc_info", "stack_trace", "stacktrace", "stack", "Exception", "@x")


def _from_fields(line: str, fields: Mapping[str, Any], near: datetime) -> Entry:
    text = next((fields[key] for key in _TEXT_KEYS if isinstance(fields.get(key), str)), None)
    nested = fields.get("log")
    level = _first(fields, _LEVEL_KEYS) or (nested.get("level") if isinstance(nested, dict) else None)
    told = text if text is not None else line
    causes = [f"{key}={cause}" for key in _CAUSE_KEYS if (cause := _cause(fields.get(key))) and cause not in told]
    at = _time_field(_first(fields, _TIME_KEYS), near)
    if text is not None and text.startswith("{"):
        # A container runtime's wrapping around an application that writes JSON itself.
        inner = parse(text.strip(), near)
        return replace(inner, at=at or inner.at, level=level_word(level) or inner.level)
    whole = clean("\n".join([told.strip(), *causes]))
    level_told = level_word(level) or _numbered_level(fields) or level_of(told)
    return Entry(whole[:LONGEST_TEXT], at or time_of(told, near), level_told)


def _numbered_level(fields: Mapping[str, Any]) -> str | None:
    """The level of OpenTelemetry's, journald's and GELF's numbers."""
    number = _first(fields, ("severityNumber", "SeverityNumber", "severity_number"))
    severity = fields.get("PRIORITY") if "short_message" not in fields else fields.get("level")
    return opentelemetry_level(number) or syslog_level(severity)


def _first(fields: Mapping[str, Any], keys: Iterable[str]) -> Any:
    return next((fields[key] for key in keys if fields.get(key) not in (None, "")), None)


def _time_field(value: object, near: datetime) -> datetime | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return from_epoch(float(value))
        except OverflowError:
            return None
    if not isinstance(value, str):
        return None
    return time_of(value, near)


def _cause(value: object) -> str | None:
    if isinstance(value, dict):
        value = " ".join(value[key] for key in ("type", "message", "stack") if isinstance(value.get(key), str))
    return value.strip() or None if isinstance(value, str) else None


_FRAME: Final = re.compile(
    r"^(?:\s+\S|Caused by: |Suppressed: |\.\.\. \d+ more|goroutine \d+ \[|\[signal |--- End of"
    r"|During handling of the above |The above exception was the direct )"
)
_PYTHON_END: Final = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?::|$)")
_GO_FRAME: Final = re.compile(r"^(?:[\w./*()-]+\.[\w*().-]+\(|created by |exit status )")
_TROUBLE: Final = ("warn", "error", "critical", "fatal")


def _continues(line: str, head: Entry, trace: list[str]) -> bool:
    """Whether a line goes on with the event before it."""
    if not line.strip():
        # Go and Python part the pieces of one trace by empty lines.
        return bool(trace) or THROWN.match(head.text) is not None
    if _FRAME.match(line):
        return True
    last = next((text for text in reversed(trace) if text.strip()), head.text)
    whole = (head.text, *trace)
    if last.startswith(" ") and _PYTHON_END.match(line) and any(text.startswith("Traceback (") for text in whole):
        return True
    if THROWN.match(line):
        # What was thrown belongs to the error that was logged with it, but not to whatever stood there before.
        return (not trace and head.level in _TROUBLE) or last.startswith(("During handling", "The above exception"))
    return _GO_FRAME.match(line) is not None and any(text.startswith("goroutine ") for text in whole)


def _joined(head: Entry, trace: list[str]) -> Entry:
    """The event in one: of a long trace the middle is left out, for what failed stands at its ends."""
    kept = [line for line in trace if line.strip()]
    if not kept:
        return head
    if len(kept) > MOST_TRACE_LINES:
        half = MOST_TRACE_LINES // 2
        kept = [*kept[:half], f"    … {len(kept) - 2 * half} lines", *kept[-half:]]
    level = head.level
    if level is None:
        level = next((found for line in kept if (found := level_of(line))), None)
    return replace(head, text="\n".join([head.text, *kept])[:LONGEST_TEXT], level=level)


_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")


def clean(line: str) -> str:
    """A line without its end, colours, and what cannot be stored."""
    return printable(_ANSI.sub("", line).replace("\x00", "").rstrip())
