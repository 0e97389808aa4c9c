"""The installation in figures, for Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/.

All of them come from the database, so that every receiver tells the same, and a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from shared.incident import CoverageStatus
from shared.store import telemetry
from shared.store.telemetry import Durations, Telemetry
from webhook.access import Gate
from webhook.openapi import Answer, Operation, describes
from webhook.receiver import receiver

routes = Blueprint("metrics", __name__)

TEXT: Final = "text/plain"


@routes.get("/metrics")
@describes(
    Operation(
        summary="The installation in figures, for Prometheus",
        description="Prometheus sends the API token as its `authorization.credentials`.",
        gate=Gate.API,
        answers={200: Answer("The figures.", media=(TEXT,))},
        refusals=(503,),
    )
)
def metrics() -> Response:
    """The figures as they stand."""
    registry = CollectorRegistry()
    registry.register(_Figures(telemetry.measure(receiver().database)))
    encode, media = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(registry), content_type=media, headers={"Cache-Control": "no-store"})


class _Figures(Collector):
    def __init__(self, measured: Telemetry) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """Every metric, each with its meaning."""
        yield from _incidents(self._measured)
        yield from _times(self._measured)
        yield from _sources(self._measured)
        yield from _model(self._measured)
        yield from _deliveries(self._measured)


def _incidents(measured: Telemetry) -> Iterator[Metric]:
    incidents = GaugeMetricFamily("whydown_incidents", "Incidents by status.", labels=["status"])
    for status, count in measured.incidents.items():
        incidents.add_metric([status], count)
    yield incidents
    yield _gauge("whydown_queue_waiting", "Incidents whose turn has not come.", measured.waiting)
    yield _gauge(
        "whydown_queue_oldest_seconds", "How long the oldest of them has waited.", measured.oldest_waiting_seconds
    )
    yield _gauge("whydown_investigations_under_way", "Investigations that were let in.", measured.under_way)
    work = GaugeMetricFamily("whydown_work", "Pieces of work that are not over.", labels=["kind", "state"])
    for (kind, state), count in sorted(measured.work.items()):
        work.add_metric([kind, state], count)
    yield work


def _times(measured: Telemetry) -> Iterator[Metric]:
    yield _histogram("whydown_brief_seconds", "From the alert to its first brief.", measured.brief)
    yield _histogram("whydown_diagnosis_seconds", "From the alert to its diagnosis.", measured.diagnosis)
    diagnoses = CounterMetricFamily(
        "whydown_diagnoses", "Diagnoses stored, by who wrote them: the model, or the brief in its place.", labels=["by"]
    )
    for stage, count in measured.diagnosed_by.items():
        diagnoses.add_metric([stage], count)
    yield diagnoses


def _sources(measured: Telemetry) -> Iterator[Metric]:
    asked = GaugeMetricFamily(
        "whydown_source_asked",
        "How often a source was asked in the last hour, by outcome.",
        labels=["source", "status"],
    )
    mean = GaugeMetricFamily(
        "whydown_source_mean_seconds", "Mean time that a source took in the last hour.", labels=["source"]
    )
    longest = GaugeMetricFamily(
        "whydown_source_longest_seconds", "Longest time that a source took in the last hour.", labels=["source"]
    )
    for each in measured.sources:
        for status in CoverageStatus:
            if status is not CoverageStatus.NOT_CONFIGURED:
                asked.add_metric([each.source, status], each.asked.get(status, 0))
        if each.mean_seconds is not None and each.longest_seconds is not None:
            mean.add_metric([each.source], each.mean_seconds)
            longest.add_metric([each.source], each.longest_seconds)
    yield from (asked, mean, longest)


def _model(measured: Telemetry) -> Iterator[Metric]:
    names = ["provider", "model"]
    calls = CounterMetricFamily("whydown_model_calls", "Calls of the model, failed ones included.", labels=names)
    tokens = CounterMetricFamily("whydown_model_tokens", "Tokens, by kind.", labels=[*names, "kind"])
    cost = CounterMetricFamily(
        "whydown_model_cost_usd", "US dollars, of the calls whose price is public.", labels=names
    )
    for each in measured.models:
        key = [each.provider, each.model]
        calls.add_metric(key, each.calls)
        for kind, count in (
            ("input", each.input_tokens),
            ("output", each.output_tokens),
            ("cached", each.cached_tokens),
        ):
            tokens.add_metric([*key, kind], count)
        if each.cost_usd is not None:
            cost.add_metric(key, each.cost_usd)
    yield from (calls, tokens, cost)


def _deliveries(measured: Telemetry) -> Iterator[Metric]:
    deliveries = GaugeMetricFamily(
        "whydown_deliveries", "Pushes: waiting for a try, delivered, or dead after the last.", labels=["state"]
    )
    for state, count in measured.deliveries.items():
        deliveries.add_metric([state], count)
    yield deliveries


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _histogram(name: str, meaning: str, durations: Durations) -> Metric:
    buckets = [(str(bound), float(count)) for bound, count in durations.at_most.items()]
    return HistogramMetricFamily(
        name, meaning, buckets=[*buckets, ("+Inf", float(durations.count))], sum_value=durations.seconds
    )
