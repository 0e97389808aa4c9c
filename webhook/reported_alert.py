"""One alert out of a vendor's own fields: bounded, with what could not be kept noted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shared.alert import UNNAMED, Alert, Severity
from webhook.body import MAX_STRING, one_line, text
from webhook.fields import Fields
from webhook.grouping import MAX_SERVICE, MAX_TITLE, bounded_fingerprint, fingerprint_of
from webhook.moments import moment_of
from webhook.plain_alert import MAX_ERRORS
from webhook.senders import MalformedBody

T = TypeVar("T")


@dataclass(frozen=True)
class Reported:
    """What a body says of one alert, in its sender's own values: any JSON may stand in any of them."""

    title: object
    identity: object
    """What is the same when it fires again and when it is over."""
    service: object = ""
    firing: bool = True
    severity: Severity = Severity.UNKNOWN
    started: object = None
    ended: object = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    pages: Mapping[str, Any] = field(default_factory=dict)
    """Addresses to open, by title."""
    errors: object = None

    def alert(self) -> Alert:
        """The alert. Values that are null or empty are left out."""
        service = one_line(self.service, MAX_SERVICE) or UNNAMED
        title = one_line(self.title, MAX_TITLE) or f"Alert for {service}"
        identity = text(self.identity, MAX_STRING).strip()
        own = Fields({name: value for name, value in self.pages.items() if value not in (None, "")})
        labels, annotations = (
            own.kept(kind, _texts(of)) for kind, of in (("label", self.labels), ("annotation", self.annotations))
        )
        return Alert(
            fingerprint=bounded_fingerprint(identity) or fingerprint_of(service, title),
            firing=self.firing,
            title=title,
            service=service,
            severity=self.severity,
            starts_at=moment_of(self.started),
            ends_at=None if self.firing else moment_of(self.ended),
            labels=labels,
            links=own.links({name: name for name in own.values}, {}),
            annotations=own.noted(annotations),
            errors=text(self.errors, MAX_ERRORS).strip() or None,
        )


def _texts(pairs: Mapping[str, Any]) -> dict[str, str]:
    return {name: shown for name, value in pairs.items() if (shown := text(value, MAX_STRING).strip())}


def readable(read: Callable[[Any], T], listed: Sequence[Any]) -> tuple[list[T], str | None]:
    """What `read` makes of the entries of a list, and what is to be said of those that cannot be read: one that is
    broken loses none of the others. Raises MalformedBody when none can be read.
    """
    told: list[T] = []
    refused: list[MalformedBody] = []
    for each in listed:
        try:
            told.append(read(each))
        except MalformedBody as malformed:
            refused.append(malformed)
    if refused and not told:
        raise refused[0]
    said = f"{len(refused)} of {len(listed)} could not be read: {refused[0].detail}" if refused else None
    return told, said


def tags_of(value: object) -> dict[str, str]:
    """Tags as names and values: an object, `["name:value", ..]`, `[["name", "value"], ..]`, `[{"key", "value"}, ..]`,
    `"name:value,name:value"`, or a text that holds one of these as JSON. What is no pair is left out.
    """
    if isinstance(value, str) and value.startswith(("[", "{")):
        value = json_in(value)
    if isinstance(value, dict):
        return {str(name): text(item, MAX_STRING) for name, item in value.items()}
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return dict(pair for pair in map(_pair, items) if pair is not None)


def _pair(item: object) -> tuple[str, str] | None:
    if isinstance(item, str) and ":" in item:
        name, _, value = item.partition(":")
        return name.strip(), value.strip()
    if isinstance(item, list) and len(item) == 2:
        return text(item[0], 256), text(item[1], MAX_STRING)
    if isinstance(item, dict):
        named = item.get("key") or item.get("name") or item.get("tag")
        return (text(named, 256), text(item.get("value"), MAX_STRING)) if named else None
    return None


def json_in(shown: str) -> Any:
    """The JSON that a text holds; None when it holds none."""
    try:
        return json.loads(shown)
    except (ValueError, RecursionError):
        return None


def first(values: Iterable[object]) -> str:
    """The first of some values that says anything."""
    return next((shown for value in values if value is not None and (shown := text(value, MAX_STRING).strip())), "")


def within(value: object, *path: str | int) -> Any:
    """What stands at a path of names and places inside of a JSON value; None where it leads nowhere."""
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value
