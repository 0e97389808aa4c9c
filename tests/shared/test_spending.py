"""Calls of the model are counted, and no day costs more than its budget but for one call, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import pytest

from shared.database import Database
from shared.incident import Usage
from shared.moment import now
from shared.store import spending
from shared.store.spending import Budget, BudgetSpent, Call, Filters, Spent, Sum

UNLIMITED = Budget()


def _call(service: str = "invoice-api", model: str = "gpt-4o", incident_id: str = "inc1") -> Call:
    return Call(incident_id, 1, service, "openai", model, estimated_tokens=100)


def _made(database: Database, cost: float | None = 0.5, **of: str) -> None:
    number = spending.note(database, _call(**of), UNLIMITED)
    usage = Usage(input_tokens=1000, output_tokens=200, cached_tokens=300, cost_usd=cost)
    spending.settle(database, number, of.get("model", "gpt-4o"), usage)


def test_calls_are_summed_up_by_day_service_and_model(database: Database) -> None:
    today = now().date().isoformat()
    _made(database)
    _made(database, incident_id="inc2")
    _made(database, cost=None)
    _made(database, service="search", model="own", cost=None)
    spending.note(database, _call(), UNLIMITED)  # its worker dies
    sums = spending.sums(database, Filters())
    assert sums == [
        Sum(today, "invoice-api", "openai", "gpt-4o", 2, 4, 1, 3100, 600, 900, 1.0, 2),
        Sum(today, "search", "openai", "own", 1, 1, 0, 1000, 200, 300, None, 1),
    ]
    assert spending.sums(database, Filters(service="search")) == sums[1:]
    assert spending.sums(database, Filters(model="gpt-4o")) == sums[:1]
    tomorrow = date.fromisoformat(today) + timedelta(days=1)
    assert spending.sums(database, Filters(since=tomorrow)) == []
    assert spending.sums(database, Filters(until=tomorrow)) == sums
    assert spending.sums(database, Filters(until=date.fromisoformat(today))) == []


def test_a_call_that_was_not_made_after_all_is_not_counted(database: Database) -> None:
    spending.take_back(database, spending.note(database, _call(), UNLIMITED))
    assert spending.spent_today(database) == Spent(0.0, 0)
    assert spending.sums(database, Filters()) == []


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(usd=0.9), r"\$1 of \$0\.9 \(WHYDOWN_AI_DAILY_BUDGET_USD\)"),
        (Budget(tokens=2400), r"2,400 of 2,400 tokens \(WHYDOWN_AI_DAILY_BUDGET_TOKENS\)"),
        (Budget(usd=0.0), r"\$1 of \$0 \(WHYDOWN_AI_DAILY_BUDGET_USD\)"),
    ],
)
def test_at_the_cap_no_more_calls_are_made(database: Database, budget: Budget, said: str) -> None:
    for _ in range(2):
        _made(database)
    with pytest.raises(BudgetSpent, match=f"{said}; it is asked again from 00:00 UTC on"):
        spending.note(database, _call(), budget)
    assert spending.spent_today(database) == Spent(1.0, 2400)
    assert spending.note(database, _call(), Budget(usd=1.01, tokens=2401))


def test_the_next_day_begins_anew(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    _made(database)
    budget = Budget(usd=0.5)
    with pytest.raises(BudgetSpent):
        spending.note(database, _call(), budget)
    tomorrow = now() + timedelta(days=1)

    def later() -> datetime:
        return tomorrow

    monkeypatch.setattr(spending, "now", later)
    assert spending.note(database, _call(), budget)


def test_calls_at_once_do_not_slip_past_the_budget_together(database: Database) -> None:
    def ask(_: int) -> bool:
        try:
            spending.note(database, _call(), Budget(tokens=250))
        except BudgetSpent:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(24))) == 3
