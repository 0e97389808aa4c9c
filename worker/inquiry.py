"""What a source is asked, and what it may answer: frozen values between the stages of an investigation."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from shared.deploy import Deploy
from shared.incident import CoverageStatus, Fact, Link
from shared.wire import Wire


class Component(Wire):
    """A catalog entity, as far as an investigation needs it."""

    ref: str
    """`component:default/invoice-api`, lower case."""
    name: str
    kind: str
    title: str | None = None
    description: str | None = None
    owner: str | None = None
    """Entity ref of the owner."""
    type: str | None = None
    lifecycle: str | None = None
    system: str | None = None
    tags: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    annotations: dict[str, str] = Field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    """Refs of what it needs, whether said here or by the other side: its dependencies and the APIs it consumes."""
    dependents: tuple[str, ...] = ()
    """Refs of what needs it."""

    @property
    def repository(self) -> str | None:
        """`owner/repo` of its source, from github.com/project-slug or backstage.io/source-location."""
        return _slug(self.annotations)


class CatalogMatch(Wire):
    """What the catalog knows about an alert."""

    component: Component | None = None
    how: str | None = None
    """In words, why this component."""
    neighbours: tuple[Component, ...] = ()
    """The components around it that the catalog has entries for (`worker.catalog_model.reach`)."""
    closest: tuple[str, ...] = ()
    """When nothing matched: the names most like it."""


@dataclass(frozen=True, slots=True)
class AlertSubject:
    """What the catalog is asked about: everything in the alert that may name its component."""

    service: str
    title: str
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    entity_ref: str | None = None
    """An explicit ref, when the caller gave one."""


class Target(Wire):
    """One service to look at."""

    service: str
    role: Literal["alerted", "dependency", "dependent", "sibling"]
    """`sibling`: of the same system, without a dependency that the catalog knows of."""
    ref: str | None = None
    repository: str | None = None
    """`owner/repo`, or a bare name where only the service's name is known."""
    log_names: tuple[str, ...] = ()
    """The names under which its logs may be kept, likeliest first."""


class Window(Wire):
    """The spans of time that are looked at, all in UTC."""

    alert_at: datetime
    changes_since: datetime
    baseline_since: datetime
    logs_since: datetime
    """Where the baseline ends and the incident's own window begins."""
    until: datetime
    """Never in the future."""


class Scope(Wire):
    """Whom to look at and when: what the catalog stage hands to all sources."""

    targets: tuple[Target, ...]
    """The alerted service first, then its dependencies, those who need it, and others of its system."""
    window: Window
    component: Component | None = None
    neighbours: tuple[Component, ...] = ()

    def annotations(self, target: Target) -> dict[str, str]:
        """The catalog's annotations of a target: where connectors find what it is called in their system."""
        known = (self.component, *self.neighbours)
        return next((each.annotations for each in known if each and each.ref == target.ref), {})


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The question put to every source of one attempt."""

    scope: Scope
    title: str
    errors: tuple[str, ...] = ()
    """Error text that the alert itself brought."""
    deploys: tuple[Deploy, ...] = ()
    """Deploys reported for the targets inside the window."""

    @property
    def alerted(self) -> Target:
        """The service that the alert is about."""
        return self.scope.targets[0]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log, as its source holds it."""

    service: str
    text: str
    at: datetime | None = None
    level: str | None = None
    """Lower case, when the source tells it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a source found. Log lines are made into signatures, which are facts, by the investigation."""

    facts: tuple[Fact, ...] = ()
    lines: tuple[LogLine, ...] = ()
    incomplete: frozenset[str] = frozenset()
    """Services of which lines inside the windows are missing: their rates are not known."""
    detail: str | None = None
    """One line for the coverage report: what was looked at, what was left out, which parts failed."""


class SourceFailure(Exception):
    """A source could not answer. It becomes a coverage line, and never evidence."""

    def __init__(self, status: CoverageStatus, detail: str, transient: bool = False) -> None:
        """`detail` names no secret and says what to mend; `transient` asks for another try inside the deadline."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.transient = transient


def _slug(annotations: dict[str, str]) -> str | None:
    slug = annotations.get("github.com/project-slug", "").strip().strip("/")
    if not slug:
        location = urlsplit(annotations.get("backstage.io/source-location", "").removeprefix("url:"))
        slug = "/".join(location.path.strip("/").split("/")[:2]) if location.scheme in ("https", "http") else ""
    return slug.removesuffix(".git") if slug.count("/") == 1 and all(slug.split("/")) else None
