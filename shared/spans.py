"""Spans of the OpenTelemetry SDK, sent by OTLP over HTTP: https://opentelemetry.io/docs/specs/otel/trace/.

Importing this needs the extra `otel`.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from shared.tracing import Kind, Span, Value, named

_KINDS: Final = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}

_given: ContextVar[tuple[int, int] | None] = ContextVar("given", default=None)


class _Ids(RandomIdGenerator):
    """Random, but for the span that an incident's trace begins with."""

    def generate_trace_id(self) -> int:
        given = _given.get()
        return given[0] if given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        given = _given.get()
        return given[1] if given else super().generate_span_id()


class Spans:
    """Where the spans of this process go."""

    def __init__(self, provider: TracerProvider) -> None:
        """What is asked for by OTEL_TRACES_SAMPLER is in the provider."""
        self._provider = provider
        self._tracer = provider.get_tracer("whydown")

    @contextmanager
    def span(
        self, name: str, incident: str | None, kind: Kind, attributes: Mapping[str, Value | None]
    ) -> Iterator[Span]:
        """As `shared.tracing.span` says."""
        told = named(attributes)
        above = None
        if incident is not None:
            told["whydown.incident.id"] = incident
            above = trace.set_span_in_context(NonRecordingSpan(self._first(incident)), Context())
        with self._tracer.start_as_current_span(
            name, above, _KINDS[kind], told, record_exception=False, set_status_on_exception=False
        ) as made:
            try:
                yield _Made(made)
            except BaseException as failure:
                made.set_attribute("error.type", type(failure).__name__)
                made.set_status(StatusCode.ERROR)
                raise

    def began(self, incident: str, seconds: float, attributes: Mapping[str, Value | None]) -> None:
        """As `shared.tracing.began` says."""
        first = self._first(incident)
        token = _given.set((first.trace_id, first.span_id))
        try:
            end = time.time_ns()
            made = self._tracer.start_span(
                "incident",
                Context(),
                SpanKind.SERVER,
                {**named(attributes), "whydown.incident.id": incident},
                start_time=end - round(seconds * 1e9),
            )
            made.end(end)
        finally:
            _given.reset(token)

    def _first(self, incident: str) -> SpanContext:
        """The span that an incident's trace begins with: the same in every process."""
        digest = hashlib.sha256(incident.encode()).digest()
        trace_id = int.from_bytes(digest[:16])
        sampled = self._provider.sampler.should_sample(None, trace_id, "incident").decision != Decision.DROP
        flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
        return SpanContext(trace_id, int.from_bytes(digest[16:24]), is_remote=True, trace_flags=flags)


class _Made:
    """A span of the SDK, as the rest of Whydown sees it."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: Value | None) -> None:
        """Adds attributes."""
        self._span.set_attributes(named(attributes))

    def failed(self, reason: str) -> None:
        """Says that it failed."""
        self._span.set_status(StatusCode.ERROR, reason)


def exported(service: str) -> Spans:
    """Spans of `service`, unless OTEL_SERVICE_NAME calls it otherwise, sent in the background to where the environment
    says.
    """
    own = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: service}
    provider = TracerProvider(resource=Resource.create(own), id_generator=_Ids())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)
