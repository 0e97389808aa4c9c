"""GET /usage: the sums, as JSON and CSV, and what is refused."""

from __future__ import annotations

import csv
import io

import pytest
from flask.testing import FlaskClient

from shared.database import Database
from shared.incident import Usage
from shared.moment import now
from shared.store import spending
from shared.store.spending import Budget, Call
from tests.webhook.receivers import API, WEBHOOK, guarded_receiver_on, receiver_on

TODAY = now().date().isoformat()


@pytest.fixture
def client(database: Database) -> FlaskClient:
    """A program that asks a receiver without tokens, where three calls were made."""
    for service, cost in (("invoice-api", 0.25), ("invoice-api", 0.5), ("=cmd|calc", None)):
        call = Call("inc1", 1, service, "openai", "gpt-4o", 10)
        usage = Usage(input_tokens=1000, output_tokens=200, cached_tokens=300, cost_usd=cost)
        spending.settle(database, spending.note(database, call, Budget()), "gpt-4o", usage)
    return receiver_on(database).test_client()


def test_by_day_service_and_model_with_totals(client: FlaskClient) -> None:
    answer = client.get("/usage?service=invoice-api")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "usage": [
            {
                "day": TODAY,
                "service": "invoice-api",
                "provider": "openai",
                "model": "gpt-4o",
                "incidents": 1,
                "calls": 2,
                "estimatedCalls": 0,
                "inputTokens": 2000,
                "outputTokens": 400,
                "cachedTokens": 600,
                "costUsd": 0.75,
                "unpricedCalls": 0,
            }
        ],
        "totals": {
            "calls": 2,
            "inputTokens": 2000,
            "outputTokens": 400,
            "cachedTokens": 600,
            "costUsd": 0.75,
            "unpricedCalls": 0,
        },
    }
    totals = client.get("/usage").get_json()["totals"]
    assert (totals["calls"], totals["costUsd"], totals["unpricedCalls"]) == (3, 0.75, 1)


def test_nothing_yet(database: Database) -> None:
    empty = receiver_on(database).test_client().get("/usage").get_json()
    assert empty["usage"] == []
    assert empty["totals"]["costUsd"] is None


@pytest.mark.parametrize("ask", [("/usage?format=csv", {}), ("/usage", {"Accept": "text/csv"})])
def test_as_csv_that_no_spreadsheet_runs(client: FlaskClient, ask: tuple[str, dict[str, str]]) -> None:
    answer = client.get(ask[0], headers=ask[1])
    assert answer.mimetype == "text/csv"
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["service"], first["costUsd"], first["day"]) == ("'=cmd|calc", "", TODAY)
    assert (second["service"], second["costUsd"], second["inputTokens"]) == ("invoice-api", "0.75", "2000")


def test_days_are_taken_from_moments_too(client: FlaskClient) -> None:
    assert len(client.get(f"/usage?since={TODAY}T00:00:00Z&until=&format=json").get_json()["usage"]) == 2
    assert client.get(f"/usage?until={TODAY}").get_json()["usage"] == []


@pytest.mark.parametrize(
    ("query", "field"), [("since=yesterday", "since"), ("until=2026-13-01", "until"), ("format=xml", "format")]
)
def test_what_is_wrong_is_named(client: FlaskClient, query: str, field: str) -> None:
    answer = client.get(f"/usage?{query}")
    assert (answer.status_code, answer.mimetype) == (422, "application/problem+json")
    assert field in answer.get_json()["detail"]


def test_only_for_the_api_token(database: Database) -> None:
    client = guarded_receiver_on(database).test_client()
    assert client.get("/usage").status_code == 401
    assert client.get("/usage", headers=WEBHOOK).status_code == 401
    assert client.get("/usage", headers=API).status_code == 200
