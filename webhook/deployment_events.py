"""Deploys and switched flags: our own plain form and CDEvents, alone, wrapped in a CloudEvent, or several in an array.

CDEvents: https://github.com/cdevents/spec/blob/main/continuous-deployment.md
CloudEvents: https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Self
from urllib.parse import unquote

from pydantic import Field, StringConstraints, model_validator

from shared.deploy import Action, Deploy
from shared.moment import parse_time
from webhook.body import one_line
from webhook.grouping import MAX_SERVICE
from webhook.manual_requests import Asked, Name, Time, Url
from webhook.problem import Problem, validated

MAX_EVENTS: Final = 500
"""Events of one request."""

_ACTIONS: Final[dict[str, Action]] = {
    "deployed": "deployed",
    "upgraded": "upgraded",
    "rolledback": "rolledback",
    "removed": "removed",
}

_CDEVENT: Final = re.compile(r"dev\.cdevents\.(?P<subject>\w+)\.(?P<predicate>\w+)\.(?P<version>[\w.-]+)")
_PURL: Final = re.compile(
    r"pkg:(?P<type>[\w.+-]+)/(?P<path>[^@?#]+)(?:@(?P<version>[^?#]+))?(?:\?(?P<qualifiers>[^#]+))?"
)
_SHA: Final = re.compile(r"[0-9a-f]{7,64}")


class PlainDeployment(Asked):
    """The plain body of POST /deployments."""

    service: Name = Field(description="name of the deployed service")
    version: Annotated[str, StringConstraints(max_length=256)] | None = Field(None, description="what was deployed")
    commit: Annotated[str, StringConstraints(max_length=64)] | None = Field(None, description="the commit's sha")
    started_at: Time | None = Field(None, description="when it began, `2026-11-23T02:58:00Z`; now, if it is left out")
    environment: Annotated[str, StringConstraints(max_length=128)] | None = Field(None, description="where to")
    url: Url | None = Field(None, description="page of the deploy")
    actor: Annotated[str, StringConstraints(max_length=256)] | None = Field(None, description="who or what deployed")
    flag: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        None, description="name of a feature flag that was switched, in place of a version"
    )
    change: Annotated[str, StringConstraints(max_length=128)] | None = Field(
        None, description="what the flag was switched from and to, `off->on`"
    )

    @model_validator(mode="after")
    def _a_flag_is_no_version(self) -> Self:
        if self.flag and (self.version or self.commit):
            raise ValueError("give either a flag or a version and commit: send two events for both")
        if self.change and not self.flag:
            raise ValueError("`change` says how a flag was switched: name it in `flag`")
        return self


@dataclass(frozen=True, slots=True)
class Events:
    """What one body reported."""

    deployments: tuple[Deploy, ...]
    ignored: tuple[str, ...]
    """Types of events that are no deploys of a service."""


def parse(body: object, moment: datetime) -> Events:
    """The deploys that a body reports; `moment` is the start of those that name none. Raises Problem."""
    events = body if isinstance(body, list) else [body]
    if not 1 <= len(events) <= MAX_EVENTS:
        raise Problem(422, f"the array holds {len(events)} events: send 1 to {MAX_EVENTS} at once")
    deployments: list[Deploy] = []
    ignored: list[str] = []
    for event_id, event in map(_unwrapped, events):
        known = _CDEVENT.fullmatch(_text(_object(event, "context"), "type"))
        if known is None:
            deployments.append(_plain(event, event_id, moment))
        elif known["subject"] == "service" and known["predicate"] in _ACTIONS:
            deployments.append(_cdevent(event, _ACTIONS[known["predicate"]]))
        else:
            ignored.append(known[0])
    return Events(tuple(deployments), tuple(dict.fromkeys(ignored)))


def _unwrapped(event: Any) -> tuple[str | None, dict[str, Any]]:
    """The event inside a CloudEvent, with the id that source and id make."""
    if not isinstance(event, dict):
        raise Problem(422, "every event must be a JSON object")
    if "specversion" not in event:
        return None, event
    if not isinstance(event.get("data"), dict):
        raise Problem(422, "a CloudEvent must carry its event as a JSON object in `data`", field="data")
    return _identity(event), event["data"]


def _plain(event: dict[str, Any], event_id: str | None, moment: datetime) -> Deploy:
    asked = validated(PlainDeployment, event)
    return Deploy(**asked.model_dump(exclude={"started_at"}), started_at=asked.started_at or moment, event_id=event_id)


def _cdevent(event: dict[str, Any], action: Action) -> Deploy:
    context, subject = _object(event, "context"), _object(event, "subject")
    content = _object(subject, "content")
    started_at = parse_time(context.get("timestamp"))
    if started_at is None:
        raise Problem(422, "`context.timestamp` must be an RFC 3339 time", field="context.timestamp")
    package = _PURL.fullmatch(_text(content, "artifactId"))
    service = _service(subject, package)
    if not service:
        raise Problem(422, "`subject.id` must name the deployed service", field="subject.id")
    version, commit = _version(package)
    return Deploy(
        service=service,
        started_at=started_at,
        version=version,
        commit=commit,
        environment=one_line(_object(content, "environment").get("id"), 128) or None,
        action=action,
        event_id=_identity(context),
    )


def _service(subject: dict[str, Any], package: re.Match[str] | None) -> str:
    """The specification writes subject ids like `service/my-app`: the last part is the name."""
    name = one_line(subject.get("id"), MAX_SERVICE).rstrip("/").rpartition("/")[2]
    return name or (unquote(package["path"]).rpartition("/")[2] if package else "")


def _version(package: re.Match[str] | None) -> tuple[str | None, str | None]:
    """Version and commit that a package URL names: https://github.com/package-url/purl-spec"""
    if package is None or package["version"] is None:
        return None, None
    version = unquote(package["version"])
    if package["type"] in ("github", "gitlab", "bitbucket", "git") and _SHA.fullmatch(version):
        return None, version
    tags = (part.partition("=")[2] for part in (package["qualifiers"] or "").split("&") if part.startswith("tag="))
    return one_line(unquote(next(tags, version)), 256), None


def _identity(attributes: dict[str, Any]) -> str | None:
    """Source and id together are unique, says CloudEvents."""
    return f"{_text(attributes, 'source')}#{_text(attributes, 'id')}" if _text(attributes, "id") else None


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _text(parent: dict[str, Any], name: str) -> str:
    value = parent.get(name)
    return value if isinstance(value, str) else ""
