"""Reading the fields of a sender's JSON: what is missing is empty, what had to be left out is noted, and what makes no
sense is a MalformedBody that names the field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from shared.incident import Link
from webhook.body import MAX_STRING, one_line, text
from webhook.grouping import MAX_TITLE
from webhook.moments import moment_of
from webhook.senders import SENDERS, MalformedBody

MAX_LABELS: Final = 256
"""Labels of one alert, and annotations likewise."""

MAX_LABEL_NAME: Final = 256
"""Characters of a label's or annotation's name."""

MAX_LABEL_VALUE: Final = 8 * 1024
"""Characters of a label's or annotation's value."""

MAX_URL: Final = 4_096
"""Characters of a link. Prometheus writes the whole expression into generatorURL."""

MAX_LINKS: Final = 20
"""Links of one alert."""

NOTE: Final = "whydown_note"
"""The annotation that says what of an alert could not be read or kept."""

FINISHED_WORDS: Final = frozenset({"resolved", "ok", "recovered", "closed", "inactive", "normal"})
"""Senders' words for an alert that is over. Any other word is taken to mean that it fires."""


class Fields:
    """One JSON object of a body."""

    def __init__(self, value: object, path: str = "") -> None:
        """`path` is the object's own JSON path, empty for the body itself. Raises MalformedBody if it is no object."""
        if not isinstance(value, dict):
            raise MalformedBody(f"{path or 'the body'} must be a JSON object, not {_kind(value)}", path or None)
        self.values: dict[str, Any] = value
        self.path = path
        self.notes: list[str] = []

    def place(self, name: str) -> str:
        """The JSON path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def text(self, name: str, limit: int = MAX_LABEL_VALUE) -> str:
        """The field as text without surrounding space; empty when it is missing or null."""
        return text(self.values.get(name), limit).strip()

    def line(self, name: str, limit: int = MAX_TITLE) -> str:
        """The field as one line of text."""
        return one_line(self.values.get(name), limit)

    def items(self, name: str) -> list[Any]:
        """The field as a list; null, as Go writes an empty one, and a missing field are empty. Raises MalformedBody."""
        value = self.values.get(name)
        if not isinstance(value, list | None):
            raise MalformedBody(f"{self.place(name)} must be a list, not {_kind(value)}", self.place(name))
        return value or []

    def pairs(self, name: str) -> dict[str, str]:
        """The field as names and texts, still unbounded in number; missing and null are empty. Raises MalformedBody."""
        value = self.values.get(name)
        if not isinstance(value, dict | None):
            raise MalformedBody(
                f"{self.place(name)} must be an object of names and texts, not {_kind(value)}", self.place(name)
            )
        return {key: text(item, MAX_STRING) for key, item in (value or {}).items()}

    def time(self, name: str) -> datetime | None:
        """The field as a moment in UTC; a text that is none is noted, for a wrong clock must not lose an alert."""
        shown = self.text(name, 64)
        moment = moment_of(self.values.get(name))
        if moment is None and shown and not shown.startswith(_GO_ZERO_TIME):
            self.notes.append(f"{name} {shown!r} was left out: it is no RFC 3339 time")
        return moment

    def over(self, name: str, default: str = "") -> bool:
        """Whether the field says that the alert is over; `default` is the word when it says nothing."""
        return (self.text(name, 64) or default).lower() in FINISHED_WORDS

    def links(self, titles: Mapping[str, str], annotations: Mapping[str, str]) -> tuple[Link, ...]:
        """Pages to open: the fields of `titles` that hold http(s) URLs, then the annotations that do."""
        found: dict[str, Link] = {}
        for name, title in titles.items():
            if url := http_url(self.values.get(name)):
                found.setdefault(url, Link(title=title, url=url))
            elif self.text(name):
                self.notes.append(f"{name} was left out: it is no http(s) link of at most {MAX_URL} characters")
        for name, value in annotations.items():
            if url := http_url(value.strip()):
                found.setdefault(url, Link(title=_ANNOTATION_LINKS.get(name, one_line(name, 80)), url=url))
        return tuple(found.values())[:MAX_LINKS]

    def kept(self, kind: str, pairs: Mapping[str, str]) -> dict[str, str]:
        """`pairs` within the bounds of what is stored; `kind` names them in the note about what was cut."""
        kept: dict[str, str] = {}
        cut: list[str] = []
        for name, value in _first(pairs):
            if len(name) > MAX_LABEL_NAME or len(value) > MAX_LABEL_VALUE:
                cut.append(name)
                value = text(value, MAX_LABEL_VALUE)  # noqa: PLW2901
            kept[text(name, MAX_LABEL_NAME)] = value
        if left_out := len(pairs) - len(kept):
            self.notes.append(f"{left_out} of {len(pairs)} {kind}s were left out")
        self.notes += [f"{kind} {text(name, 40)!r} was cut to its beginning" for name in cut]
        return kept

    def noted(self, annotations: Mapping[str, str], *more: str) -> dict[str, str]:
        """`annotations` with all that was noted, as the annotation NOTE."""
        note = text("; ".join([*self.notes, *more]), MAX_LABEL_VALUE)
        return {**annotations, NOTE: note} if note else dict(annotations)


def http_url(value: object) -> str | None:
    """`value` if it is an absolute http(s) URL that is safe to show as a link: printable, with a host, without
    credentials, at most MAX_URL characters.
    """
    if not isinstance(value, str) or len(value) > MAX_URL or not value.lower().startswith(("http://", "https://")):
        return None
    return value if _is_safe_url(value) else None


@lru_cache(1_024)  # alert after alert has the same ones
def _is_safe_url(value: str) -> bool:
    if not _URL.fullmatch(value) or not value.isprintable():
        return False
    try:
        parts = urlsplit(value)
        return bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False


def other_route(body: object) -> str:
    """A sentence about the route that this body was probably meant for; empty when nothing is recognized."""
    for field, routes in _telling_fields().items():
        if isinstance(body, dict) and field in body:
            return f" A body with `{field}` belongs to POST {' or '.join(routes)}."
    return ""


_GO_ZERO_TIME: Final = "0001-01-01"

_URL: Final = re.compile(r"https?://[^\s<>\"{}|\\^`]+", re.IGNORECASE)

_ANNOTATION_LINKS: Final = {"runbook_url": "Runbook", "runbook": "Runbook", "dashboard_url": "Dashboard"}


@cache
def _telling_fields() -> dict[str, list[str]]:
    routes: dict[str, list[str]] = {}
    for name, kind in SENDERS:
        for field in kind.telling:
            routes.setdefault(field, []).append(f"/webhook/{name}")
    return routes


def _first(pairs: Mapping[str, str]) -> list[tuple[str, str]]:
    return list(pairs.items())[:MAX_LABELS]


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a string", list: "a list", dict: "an object"}
    return names.get(type(value), "a number")
