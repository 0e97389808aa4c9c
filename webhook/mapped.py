"""A body told by a map of its fields: enough for most senders, and for those that nobody has heard of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Pairs
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from shared.alert import Delivery, Severity
from webhook.fields import FINISHED_WORDS, Fields, other_route
from webhook.grouping import groups_of, service_of
from webhook.reported_alert import Reported, first, readable, tags_of, within
from webhook.senders import MalformedBody, Sender

MOST_ALERTS: Final = 1_000
"""Alerts of one body that are read."""

Paths = tuple[str, ...]
"""Places in a body, `incident.resource.labels`, the likeliest first; a number is a place in a list. The first that says
anything counts.
"""


@dataclass(frozen=True, slots=True)
class Map:
    """Where in a body stands what."""

    title: Paths
    service: Paths = ()
    """Where the service itself stands."""
    subject: Paths = ()
    """What stands for the service where neither it nor a label names one: a host, a check."""
    fingerprint: Paths = ()
    status: Paths = ()
    severity: Paths = ()
    started: Paths = ()
    ended: Paths = ()
    description: Paths = ()
    errors: Paths = ()
    url: Paths = ()
    labels: Paths = ()
    """Objects or lists of tags: all of them count."""
    alerts: str | None = None
    """A list of alerts in the body; without it the body is one alert."""
    over: frozenset[str] = FINISHED_WORDS
    """Words of `status` for an alert that is over, lower case."""
    ignored: frozenset[str] = frozenset()
    """Words of `status` for what is no alert."""
    severities: Pairs[str, Severity] = field(default_factory=dict)
    """Words of `severity` that mean something else here than elsewhere, lower case."""


class Mapped(Sender):
    """A sender whose bodies are told by a map."""

    sender: ClassVar[str]
    map: Map
    hint: ClassVar[str] = "send this sender's own webhook body"

    def parse(self, body: Any, headers: Pairs[str, str]) -> Delivery:
        """One group for each alert. Raises MalformedBody."""
        Fields(body)
        listed = self._listed(body)
        told, unreadable = readable(self.read, listed[:MOST_ALERTS])
        alerts = [each.alert() for each in told if each is not None]
        if not alerts:
            return Delivery(self.sender, (), ignored=unreadable or self._why_nothing(listed))
        keyed = [(alert.fingerprint, alert) for alert in alerts]
        return Delivery(self.sender, groups_of(keyed, len(listed[MOST_ALERTS:])), ignored=unreadable)

    def read(self, item: Any) -> Reported | None:
        """One alert of the body; None when it is none. Raises MalformedBody."""
        told = self.map
        Fields(item, self.map.alerts or "")
        if not (title := self._at(item, told.title)):
            if _is_template(item):
                return None
            place = told.title[0] if told.title else "the title"
            raise MalformedBody(f"{place} is missing: {self.hint}.{other_route(item)}", place)
        status = self._at(item, told.status).lower()
        if status in told.ignored:
            return None
        labels = {name: value for path in told.labels for name, value in tags_of(_at(item, path)).items()}
        severity = self._at(item, told.severity) or labels.get("severity") or labels.get("priority", "")
        named = service_of(labels, {}, self.grouping.service_labels, unnamed="")
        return Reported(
            title=title,
            identity=self._at(item, told.fingerprint),
            service=self._at(item, told.service) or named or self._at(item, told.subject),
            firing=status not in told.over,
            severity=told.severities.get(severity.lower()) or Severity.of(severity),
            started=self._at(item, told.started),
            ended=self._at(item, told.ended),
            labels=labels,
            annotations={"description": self._at(item, told.description)},
            pages={self.sender.capitalize(): self._at(item, told.url)},
            errors=self._at(item, told.errors),
        )

    def _listed(self, body: Any) -> list[Any]:
        if self.map.alerts is None:
            return [body]
        found = _at(body, self.map.alerts)
        if not isinstance(found, list):
            raise MalformedBody(
                f"{self.map.alerts} must be a list of alerts: {self.hint}.{other_route(body)}", self.map.alerts
            )
        return found

    def _why_nothing(self, listed: list[Any]) -> str:
        words = sorted({self._at(item, self.map.status) for item in listed})[:3]
        if any(words):
            return f"the status {', '.join(filter(None, words))} opens no incident"
        return "its variables were not filled in: a test of the template" if listed else "the body holds no alerts"

    @staticmethod
    def _at(item: Any, paths: Paths) -> str:
        return first(value for path in paths if _says_something(value := _at(item, path)))


def _says_something(value: Any) -> bool:
    """Not so objects and lists, nor variables of a template that nobody filled in: `$SERVICE`, `{{ service }}`,
    `{EVENT.NAME}`.
    """
    return not isinstance(value, dict | list | bool) and not (isinstance(value, str) and _UNFILLED.fullmatch(value))


def _is_template(item: Any) -> bool:
    """Whether nothing but variables is told."""
    told = list(_texts(item))
    return bool(told) and all(_HOLE.search(each) for each in told)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(inner)


_VARIABLE: Final = r"\$[A-Z][A-Z0-9_]*|\{\{.*?\}\}|\{\$?[A-Z][A-Z0-9_.]+\}|\*UNKNOWN\*|\*insert .*?\*"
_UNFILLED: Final = re.compile(rf"(?:{_VARIABLE})+", re.DOTALL)
_HOLE: Final = re.compile(_VARIABLE, re.DOTALL)


def _at(value: Any, path: str) -> Any:
    return within(value, *(int(step) if step.isdigit() else step for step in path.split(".")))
