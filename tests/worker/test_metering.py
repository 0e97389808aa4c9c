"""What the model costs, from the call to the incident: counted, priced, and within the day's budget."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.database import Database
from shared.incident import Incident, Usage
from shared.settings import Investigation
from shared.store import admission, intake, reading, spending, work
from shared.store.intake import ManualRequest
from shared.store.spending import Budget, Filters
from tests.model_server import MODEL, ModelServer, Step, diagnosis, refused, said, sensible
from worker import pipeline
from worker.breaker import Breaker
from worker.llm import Config
from worker.llm.openai_compatible import OpenAiCompatible
from worker.metering import Meter
from worker.parts import Parts
from worker.prices import Prices

UNLIMITED = Budget()


def _cost(model: str, usage: Usage) -> float:
    assert model == MODEL
    return usage.input_tokens / 1000 + usage.output_tokens / 100


def _investigated(
    database: Database,
    *script: Step,
    budget: Budget = UNLIMITED,
    cost: Callable[[str, Usage], float | None] = _cost,
    times: int = 1,
) -> Incident:
    """The last of so many incidents, each with a model that answers by the script."""
    with ModelServer(*script) as server:
        provider = Breaker(OpenAiCompatible.from_config(Config(endpoint=server.base_url, chat_model="m")))
        meter = Meter(database, cost, budget)
        parts = Parts(database=database, settings=Investigation(), sources={}, provider=provider, meter=meter)
        for number in range(times):
            request = ManualRequest(service=f"service-{number}", title="down", errors="ERROR disk full")
            incident_id = intake.open_manual(database, request).incidents[0].id
            admission.admit(database, 99)
            for stage in (pipeline.investigate, pipeline.diagnose):
                claim = work.claim(database, f"{incident_id}.1.{stage.__name__}")
                assert claim is not None
                stage(parts, claim)()
    document = reading.incident(database, incident_id)
    assert document is not None
    assert document.diagnosis is not None
    return document


def test_what_a_diagnosis_cost_stands_on_it_and_in_the_sums(database: Database) -> None:
    # Nothing is gathered: the model may say so.
    honest = said(diagnosis(enoughInformation=False), prompt_tokens_details={"cached_tokens": 400})
    document = _investigated(database, honest)
    assert document.diagnosis
    assert document.diagnosis.produced_by.stage == "model"
    assert document.usage.wire() == {
        "inputTokens": 1000,
        "outputTokens": 200,
        "cachedTokens": 400,
        "costUsd": 3.0,
        "calls": 1,
    }
    (row,) = spending.sums(database, Filters())
    assert (row.service, row.provider, row.model, row.calls, row.estimated_calls) == (
        "service-0",
        "openai",
        MODEL,
        1,
        0,
    )
    assert (row.input_tokens, row.output_tokens, row.cached_tokens, row.cost_usd) == (1000, 200, 400, 3.0)


def test_repairs_and_failed_calls_are_counted_too(database: Database) -> None:
    document = _investigated(database, refused(400, "no such format"), said("gibberish"), said("gibberish"))
    assert document.diagnosis
    assert document.diagnosis.produced_by.stage == "brief"
    assert (document.usage.calls, document.usage.input_tokens, document.usage.cost_usd) == (3, 2000, 6.0)
    rows = spending.sums(database, Filters())
    assert sum(row.calls for row in rows) == 3
    assert sum(row.input_tokens for row in rows) == 2000


def test_a_price_that_is_not_known_is_null(database: Database) -> None:
    document = _investigated(database, sensible, cost=lambda model, usage: None)
    assert document.usage.cost_usd is None
    (row,) = spending.sums(database, Filters())
    assert (row.cost_usd, row.unpriced_calls) == (None, row.calls)


def test_at_the_cap_incidents_get_the_brief_and_say_why(database: Database) -> None:
    honest = said(diagnosis(enoughInformation=False))
    document = _investigated(database, honest, budget=Budget(tokens=2000), times=3)
    assert document.diagnosis
    produced_by = document.diagnosis.produced_by
    assert (produced_by.stage, document.usage.calls) == ("brief", 0)
    assert produced_by.reason == (
        "the day's budget for the model is spent: 2,400 of 2,000 tokens (WHYDOWN_AI_DAILY_BUDGET_TOKENS); "
        "it is asked again from 00:00 UTC on"
    )
    assert sum(row.calls for row in spending.sums(database, Filters())) == 2


def test_a_call_that_the_breaker_keeps_back_is_none(database: Database) -> None:
    document = _investigated(database, refused(500, "oops"), times=3)
    assert document.diagnosis
    assert document.diagnosis.produced_by.reason
    assert "times in a row" in document.diagnosis.produced_by.reason
    assert document.usage.calls == 0
    assert sum(row.calls for row in spending.sums(database, Filters())) == 6


@pytest.mark.parametrize(
    ("endpoint", "model", "known"),
    [
        (None, "gpt-4o-mini-2024-07-18", True),
        ("https://api.openai.com/v1", "gpt-4o", True),
        ("https://team.openai.azure.com", "gpt-4o", True),
        ("http://127.0.0.1:8000/v1", "gpt-4o", False),  # one's own server, whatever it calls its model
        (None, "made-up-model", False),
    ],
)
def test_public_prices(endpoint: str | None, model: str, known: bool) -> None:
    usage = Usage(input_tokens=1000, output_tokens=200, cached_tokens=100)
    cost = Prices(endpoint).cost(model, usage)
    assert (cost is not None) == known
    dearer = Prices(endpoint).cost(model, usage.model_copy(update={"cached_tokens": 0}))
    if cost is not None and dearer is not None:
        assert 0 < cost < dearer < 1


def test_odd_counts_cost_something_sensible() -> None:
    more_cached_than_told = Usage(input_tokens=10, cached_tokens=100)
    assert Prices(None).cost("gpt-4o", more_cached_than_told) is not None
