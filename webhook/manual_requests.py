"""The bodies of analyses that somebody asks for by hand, and what they mean."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from shared.alert import Severity
from shared.incident import BroughtContext
from shared.moment import now, parse_time, rfc3339
from shared.store.intake import ManualRequest
from shared.wire import Wire
from webhook.body import MAX_STRING, one_line, text
from webhook.fields import http_url
from webhook.grouping import MAX_SERVICE, MAX_TITLE

DEFAULT_TITLE: Final = "Manual analysis"

_REF: Final = re.compile(r"(?:(?P<kind>[A-Za-z][\w.-]*):)?(?:(?P<namespace>[\w.-]+)/)?(?P<name>[^\s:/]+)")
"""`[kind:][namespace/]name`, https://backstage.io/docs/features/software-catalog/references"""


def reference(ref: str) -> tuple[str, str | None]:
    """The service's name, and its full reference in lower case when more than a name was given.

    Raises ValueError when it is no reference.
    """
    match = _REF.fullmatch(ref)
    if match is None or len(match["name"]) > MAX_SERVICE:
        raise ValueError("is no entity reference")
    if match["kind"] is None and match["namespace"] is None:
        return match["name"], None
    return match["name"], f"{match['kind'] or 'component'}:{match['namespace'] or 'default'}/{match['name']}".lower()


def _referring(value: str) -> str:
    reference(value)
    return value


def _joined(value: object) -> object:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        value = "\n".join(value)
    if not isinstance(value, str):
        raise ValueError("must be a string or a list of strings")
    return text(value, MAX_STRING)


def _lined(value: object) -> object:
    return one_line(value, MAX_STRING) if isinstance(value, str) else value


def _titled(value: object) -> object:
    return one_line(value, MAX_TITLE) if isinstance(value, str) else value


def _timed(value: object) -> object:
    moment = parse_time(value)
    if moment is None:
        raise ValueError("is no RFC 3339 time between 2000 and 2199")
    return moment


_AGO: Final = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def _counted_back(value: object) -> object:
    ago = _AGO.fullmatch(value.strip()) if isinstance(value, str) else None
    return rfc3339(now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})) if ago else value


def _addressed(value: object) -> object:
    if http_url(value) is None:
        raise ValueError("must be an http or https URL without credentials")
    return value


Lines = Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[str])]
Title = Annotated[str, BeforeValidator(_titled)]
Time = Annotated[datetime, BeforeValidator(_timed, json_schema_input_type=datetime)]
Past = Annotated[Time, BeforeValidator(_counted_back)]
"""A time, or how long ago: `90m`, `2h`, `7d`."""
Url = Annotated[str, BeforeValidator(_addressed)]
Name = Annotated[str, BeforeValidator(_lined), StringConstraints(min_length=1, max_length=MAX_SERVICE)]
Ref = Annotated[str, StringConstraints(strip_whitespace=True, max_length=256), AfterValidator(_referring)]
Names = Annotated[tuple[Annotated[str, StringConstraints(max_length=256)], ...], Field(max_length=200)]


class Asked(Wire):
    """A body whose null fields count as absent, as many languages write them."""

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class AnalysisRequest(Asked):
    """The body of POST /analyze."""

    entity_ref: Ref = Field(
        description="catalog reference of what to look at, `component:default/invoice-api`, or its name alone"
    )
    alert_title: Title = Field(DEFAULT_TITLE, description="what is wrong, in a few words")
    errors: Lines = Field("", description="error text, one string or a list of lines")
    started_at: Past | None = Field(
        None, description="when it began, `2026-11-23T03:12:00Z`, or so long ago: `30m`, `2h`; now, if it is left out"
    )
    callback_url: Url | None = Field(None, description="where the result is sent to")

    def manual(self) -> ManualRequest:
        """What is asked."""
        service, ref = reference(self.entity_ref)
        return ManualRequest(
            service=service,
            title=self.alert_title or DEFAULT_TITLE,
            started_at=self.started_at,
            entity_ref=ref,
            errors=self.errors or None,
            callback_url=self.callback_url,
        )


class ContextRequest(Asked):
    """The body of POST /api/incident/analyze: the caller brings the whole context."""

    service_name: Name = Field(description="name of the service")
    service_description: Lines = Field("", description="what the service does")
    dependencies: Names = Field((), description="names of the services that it needs")
    tags: Names = Field((), description="its tags")
    recent_deployments: Lines = Field("", description="recent deployments, as text")
    recent_errors: Lines = Field("", description="recent error lines")
    gotcha_heuristics: Lines = Field("", description="rules of its GOTCHA.md")
    alert_title: Title = Field(DEFAULT_TITLE, description="what is wrong, in a few words")
    severity: str = Field("unknown", max_length=64, description="how bad it is: critical, high, warning or info")
    started_at: Time | None = Field(None, description="when it began, `2026-11-23T03:12:00Z`; now, if it is left out")

    def manual(self) -> ManualRequest:
        """What is asked."""
        return ManualRequest(
            service=self.service_name,
            title=self.alert_title or DEFAULT_TITLE,
            severity=Severity.of(self.severity),
            started_at=self.started_at,
            brought=BroughtContext(**{name: getattr(self, name) for name in BroughtContext.model_fields}),
        )
