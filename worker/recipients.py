"""Who is told of what: every configured notifier of everything, or as the routes in a file say."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from shared.alert import Severity
from shared.errors import ConfigurationError
from shared.registry import UnknownName
from shared.settings import PREFIX, Section, environment, setting
from shared.store.pushes import RECIPIENT_LENGTH
from worker.notifiers import NOTIFIERS, Event, Notifier, Occasion

CALLBACK: Final = "callback"
"""The recipient that needs no route: each alert names its own."""

_NAME: Final = re.compile(rf"[a-z0-9][a-z0-9-]{{0,{RECIPIENT_LENGTH - 1}}}")
_REFERENCE: Final = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")


class Config(Section):
    """Who is told."""

    file: Path | None = setting(
        "WHYDOWN_NOTIFY",
        default=None,
        description="YAML file that says which incidents are told to whom (docs/notifications.md). "
        "Unset: every notifier that is configured is told of all.",
    )


def _named(name: str) -> str:
    """A recipient's name. Raises ValueError when it cannot be part of a work's id."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name[:64]}: a name is made of a-z, 0-9 and -, at most {RECIPIENT_LENGTH} of them")
    return name


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Some = BeforeValidator(_listed)
"""One, or a list."""


class Route(BaseModel):
    """Which incidents go where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: Annotated[tuple[str, ...], Some] = ("*",)
    """Globs, of which one has to match; so are owners."""
    severity: Annotated[tuple[Severity, ...], Some] = ()
    owner: Annotated[tuple[str, ...], Some] = ()
    """Entity refs of the owner in the catalog (`group:default/team-billing`), or their names alone."""
    events: Annotated[tuple[Event, ...], Some] = ()
    """Empty: what each recipient is told of by itself."""
    to: Annotated[tuple[str, ...], Some]
    more: bool = Field(False, alias="continue")
    """Whether the routes after this one count too."""

    def matches(self, occasion: Occasion) -> bool:
        """Whether the incident is one of these."""
        owner = (occasion.component.owner if occasion.component else None) or ""
        return (
            _fits(self.service, occasion.service)
            and (not self.severity or occasion.severity in self.severity)
            and (not self.owner or _fits(self.owner, owner, owner.rpartition("/")[2]))
        )


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    recipients: dict[str, dict[str, str]] = {}
    routes: tuple[Route, ...]

    @field_validator("recipients")
    @classmethod
    def _are_named(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        for name, places in value.items():
            if len(places) != 1:
                raise ValueError(f"{name[:64]}: has to be one notifier and its address, such as `slack: C0123456789`")
        return {_named(name): places for name, places in value.items()}


@dataclass(frozen=True)
class Recipients:
    """Everyone who may be told, by name, and the routes to them."""

    notifiers: Mapping[str, Notifier] = field(default_factory=dict)
    routes: tuple[Route, ...] | None = None
    """None: everyone is told of all that they are for."""

    @classmethod
    def configured(cls) -> Self:
        """As the settings and the file that they name say. Raises ConfigurationError that names line and fix."""
        notifiers = {_named(name): made for name, kind in NOTIFIERS if (made := kind.from_settings()) is not None}
        file = Config.read().file
        if file is None:
            return cls(notifiers)
        told = _Document(file)
        notifiers |= {name: told.notifier(name, *next(iter(at.items()))) for name, at in told.file.recipients.items()}
        told.check(notifiers)
        return cls(notifiers, told.file.routes)

    def told(self, occasion: Occasion) -> tuple[str, ...]:
        """The names of those who are told of this, in the order of the routes."""
        return tuple(
            name
            for name, events in self._chosen(occasion).items()
            if occasion.event in events and self.notifiers[name].wants(occasion)
        )

    def _chosen(self, occasion: Occasion) -> dict[str, Iterable[Event]]:
        if self.routes is None:
            return {name: notifier.events for name, notifier in self.notifiers.items()}
        chosen: dict[str, Iterable[Event]] = {
            name: notifier.events for name, notifier in self.notifiers.items() if name == CALLBACK
        }
        for route in self.routes:
            if route.matches(occasion):
                for name in route.to:
                    chosen.setdefault(name, route.events or self.notifiers[name].events)
                if not route.more:
                    break
        return chosen


class _Document:
    """The file of routes, with the lines on which things stand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            text = path.read_text(encoding="utf-8")
            self._root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.file = _File.model_validate(yaml.safe_load(text) or {})
        except OSError as failure:
            raise ConfigurationError(f"WHYDOWN_NOTIFY: {path} cannot be read ({failure.strerror})") from None
        except yaml.MarkedYAMLError as failure:
            line = failure.problem_mark.line + 1 if failure.problem_mark else 1
            raise ConfigurationError(f"WHYDOWN_NOTIFY: {path}, line {line}: {failure.problem or 'no YAML'}") from None
        except (ValueError, yaml.YAMLError) as failure:
            if isinstance(failure, ValidationError):
                error = failure.errors(include_input=False, include_url=False)[0]
                raise self._wrong(error["loc"], str(error["msg"]).removeprefix("Value error, ")) from None
            raise ConfigurationError(f"WHYDOWN_NOTIFY: {path}: no YAML in UTF-8") from None

    def notifier(self, name: str, kind: str, address: str) -> Notifier:
        """The recipient that the file describes. Raises ConfigurationError."""
        place = ("recipients", name, kind)
        try:
            return NOTIFIERS.load(kind).at(_resolved(address))
        except (ConfigurationError, UnknownName) as failure:
            raise self._wrong(place, str(failure)) from None

    def check(self, known: Mapping[str, Notifier]) -> None:
        """Raises ConfigurationError for a route to somebody who is not there."""
        for number, route in enumerate(self.file.routes):
            for place, name in enumerate(route.to):
                if name in NOTIFIERS.names() and name not in known:
                    missing = f"{name} is not configured: set {NOTIFIERS.load(name).configure}"
                    raise self._wrong(("routes", number, "to", place), missing)
                if name == CALLBACK or name not in known:
                    others = ", ".join(sorted(known.keys() - {CALLBACK})) or "nobody"
                    raise self._wrong(("routes", number, "to", place), f"no recipient '{name[:64]}'; there is {others}")

    def _wrong(self, place: Sequence[int | str], what: str) -> ConfigurationError:
        line, path = _place(self._root, place)
        return ConfigurationError(f"WHYDOWN_NOTIFY: {self._path}, line {line}: {path}: {what}")


def _place(root: Any, place: Sequence[int | str]) -> tuple[int, str]:
    """The line of what stands at a place, or of the nearest thing around it, and the place in words."""
    node, path = root, ""
    line = node.start_mark.line + 1 if node is not None else 1
    for step in place:
        path += f"[{step + 1}]" if isinstance(step, int) else f"{'.' if path else ''}{step}"
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(step)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = (node.value[step],) * 2
        if found is None:
            node = None
        else:
            line, node = found[0].start_mark.line + 1, found[1]
    return line, path or "the file"


def _resolved(address: str) -> str:
    """The address, or what the environment variable holds that it names. Raises ConfigurationError."""
    reference = _REFERENCE.fullmatch(address)
    if reference is None:
        if "://" in address:
            raise ConfigurationError(
                "a URL may be a secret: put it into an environment variable and write its name, `$PAYMENTS_TEAMS_URL`"
            )
        return address
    name = reference[1]
    if name.startswith(PREFIX):
        raise ConfigurationError(f"${name}: choose a name that does not begin with {PREFIX}")
    value = environment().get(name)
    if not value:
        raise ConfigurationError(f"the environment variable {name} is not set")
    return value


def _fits(globs: Iterable[str], *names: str) -> bool:
    return any(fnmatchcase(name.lower(), glob.lower()) for glob in globs for name in names)
