"""Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra `otel` is installed.

Where they are not, nothing of it is imported and a span is an object that does nothing. Why a trace is found by its
incident and carried by no message: docs/decisions/0020-traces.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Literal, Protocol

import structlog

from shared.errors import ConfigurationError
from shared.extras import of_extra

if TYPE_CHECKING:
    from shared.spans import Spans

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

Value = str | int | float | bool
Kind = Literal["internal", "server", "client", "producer", "consumer"]

_log = structlog.get_logger(__name__)


class Span(Protocol):
    """A piece of what is done for an incident, while it is done."""

    def note(self, **attributes: Value | None) -> None:
        """Adds attributes, `__` in their names written as `.`; None is left out."""
        ...

    def failed(self, reason: str) -> None:
        """Says that it failed, and why: in words without secrets."""
        ...


class _Nothing:
    def note(self, **_: Value | None) -> None:
        """Nothing."""

    def failed(self, reason: str) -> None:
        """Nothing."""


_NOTHING: Final = nullcontext(_Nothing())


class _Tracing:
    """Of this process."""

    spans: Spans | None = None


def start(part: str) -> None:
    """Traces this process as `whydown-<part>` from now on, where the environment asks for it. Call it after a fork."""
    wanted = any(os.environ.get(name) for name in ENDPOINTS)
    if not wanted or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return
    try:
        with of_extra("otel"):
            from shared import spans  # noqa: PLC0415  only where it is asked for
    except ConfigurationError as missing:
        # Such variables are often set for every program of a host: that is no reason not to start.
        _log.warning("tracing_off", reason=str(missing))
        return
    _Tracing.spans = spans.exported(f"whydown-{part}")


def span(
    name: str, incident: str | None = None, kind: Kind = "internal", **attributes: Value | None
) -> AbstractContextManager[Span]:
    """A span while the block runs: of the incident, or of the span around it. An exception that leaves the block fails
    it by its type; what it says may hold secrets.
    """
    spans = _Tracing.spans
    return _NOTHING if spans is None else spans.span(name, incident, kind, attributes)


def began(incident: str, seconds: float, **attributes: Value | None) -> None:
    """The span that all others of an incident stand below: its alert was taken in, which took `seconds` until now."""
    if _Tracing.spans is not None:
        _Tracing.spans.began(incident, seconds, attributes)


def named(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    """Attributes as they are sent."""
    return {name.replace("__", "."): value for name, value in attributes.items() if value is not None}
