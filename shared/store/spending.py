"""What the model's calls cost: noted before each call and settled after it, so that budgets hold across all workers and
a call is counted even when its worker dies over it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, cast

from sqlalchemy import ColumnElement, Table, bindparam, case, func, insert, select, text, update
from sqlalchemy.orm import Session

from shared.database import Database
from shared.incident import Usage
from shared.moment import now
from shared.tables import ModelCallRow

_LOCK: Final = 0x77687965
"""The advisory lock of budgets on PostgreSQL: any constant of our own, but that of admission."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent in a day of UTC. None: no limit."""

    usd: float | None = None
    tokens: int | None = None

    @property
    def limited(self) -> bool:
        """Whether anything has to be looked up before a call."""
        return self.usd is not None or self.tokens is not None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is about to be made."""

    incident_id: str
    attempt: int
    service: str
    provider: str
    model: str
    estimated_tokens: int
    """Of the prompt, as far as that can be told beforehand."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a day has cost so far, calls under way included."""

    usd: float
    """Of the calls whose price is known."""
    tokens: int


class BudgetSpent(Exception):
    """The day's budget is used up. Its text says which, and until when."""


def note(database: Database, call: Call, budget: Budget) -> int:
    """Counts a call that is about to be made, and gives its number. Raises BudgetSpent when the day's budget is used up
    already: a budget is exceeded by one call at most.
    """
    moment = now()
    row = {
        "day": _day(moment),
        "at": moment,
        "incident_id": call.incident_id,
        "attempt": call.attempt,
        "service": call.service,
        "provider": call.provider,
        "model": call.model,
        "input_tokens": call.estimated_tokens,
    }
    if not budget.limited:
        with database.looking() as look:
            return int(look.one(_NOTED, row)[0])
    with database.writing() as session:
        if not database.is_sqlite:  # SQLite's writers come one at a time anyway
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _refuse_beyond(budget, _spent(session, moment))
        return int(session.execute(_NOTED, row).scalar_one())


def settle(database: Database, number: int, model: str, usage: Usage) -> None:
    """What the call took in the end; nothing, as far as is known, when it failed."""
    taken = usage.model_dump(include={"input_tokens", "output_tokens", "cached_tokens", "cost_usd"})
    with database.looking() as look:
        look.count(_SETTLED, {"number": number, "name": model, **taken})


_CALLS: Final = cast("Table", ModelCallRow.__table__)
_NOTED: Final = (
    insert(_CALLS)
    .values(
        settled=False,
        output_tokens=0,
        cached_tokens=0,
        **{
            name: bindparam(name, type_=_CALLS.c[name].type)
            for name in ("day", "at", "incident_id", "attempt", "service", "provider", "model", "input_tokens")
        },
    )
    .returning(_CALLS.c.id)
)
_SETTLED: Final = (
    update(_CALLS)
    .where(_CALLS.c.id == bindparam("number"))
    .values(
        settled=True,
        model=bindparam("name"),
        **{
            name: bindparam(name, type_=_CALLS.c[name].type)
            for name in ("input_tokens", "output_tokens", "cached_tokens", "cost_usd")
        },
    )
)


def take_back(database: Database, number: int) -> None:
    """The call was not made after all."""
    with database.writing() as session:
        row = session.get(ModelCallRow, number)
        if row is not None:
            session.delete(row)


def spent_today(database: Database) -> Spent:
    """What this day of UTC has cost so far."""
    with database.reading() as session:
        return _spent(session, now())


def _spent(session: Session, moment: datetime) -> Spent:
    totals = select(
        func.coalesce(func.sum(ModelCallRow.cost_usd), 0.0),
        func.coalesce(func.sum(ModelCallRow.input_tokens + ModelCallRow.output_tokens), 0),
    ).where(ModelCallRow.day == _day(moment))
    usd, tokens = session.execute(totals).one()
    return Spent(float(usd or 0.0), int(tokens or 0))


def _refuse_beyond(budget: Budget, spent: Spent) -> None:
    until = "it is asked again from 00:00 UTC on"
    if budget.usd is not None and spent.usd >= budget.usd:
        said = f"${spent.usd:.4g} of ${budget.usd:.4g} (WHYDOWN_AI_DAILY_BUDGET_USD)"
        raise BudgetSpent(f"the day's budget for the model is spent: {said}; {until}")
    if budget.tokens is not None and spent.tokens >= budget.tokens:
        said = f"{spent.tokens:,} of {budget.tokens:,} tokens (WHYDOWN_AI_DAILY_BUDGET_TOKENS)"
        raise BudgetSpent(f"the day's budget for the model is spent: {said}; {until}")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which calls to sum up."""

    since: date | None = None
    """This day and later."""
    until: date | None = None
    """Before this day."""
    service: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Sum:
    """All calls of one model for one service on one day."""

    day: str
    service: str
    provider: str
    model: str
    incidents: int
    calls: int
    estimated_calls: int
    """Calls whose worker died: their tokens are those of the prompt, estimated."""
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost_usd: float | None
    """None when the price of none of them is known."""
    unpriced_calls: int
    """Calls that are missing in the cost."""


def sums(database: Database, filters: Filters) -> list[Sum]:
    """By day (the newest first), service and model."""
    key = (ModelCallRow.day, ModelCallRow.service, ModelCallRow.provider, ModelCallRow.model)
    query = (
        select(
            *key,
            func.count(ModelCallRow.incident_id.distinct()),
            func.count(),
            _how_many(ModelCallRow.settled.is_(False)),
            func.sum(ModelCallRow.input_tokens),
            func.sum(ModelCallRow.output_tokens),
            func.sum(ModelCallRow.cached_tokens),
            func.sum(ModelCallRow.cost_usd),
            _how_many(ModelCallRow.cost_usd.is_(None)),
        )
        .where(*_wanted(filters))
        .group_by(*key)
        .order_by(ModelCallRow.day.desc(), *key[1:])
    )
    with database.reading() as session:
        return [_sum_of(*row) for row in session.execute(query)]


def _sum_of(day: str, service: str, provider: str, model: str, *figures: Any) -> Sum:
    # PostgreSQL sums integers to decimals.
    incidents, calls, estimated, given, taken, cached, cost, unpriced = figures
    return Sum(
        day=day,
        service=service,
        provider=provider,
        model=model,
        incidents=int(incidents),
        calls=int(calls),
        estimated_calls=int(estimated),
        input_tokens=int(given),
        output_tokens=int(taken),
        cached_tokens=int(cached),
        cost_usd=None if cost is None else float(cost),
        unpriced_calls=int(unpriced),
    )


def _how_many(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _wanted(filters: Filters) -> Iterable[ColumnElement[bool]]:
    if filters.since is not None:
        yield ModelCallRow.day >= filters.since.isoformat()
    if filters.until is not None:
        yield ModelCallRow.day < filters.until.isoformat()
    if filters.service is not None:
        yield ModelCallRow.service == filters.service
    if filters.model is not None:
        yield ModelCallRow.model == filters.model


def _day(moment: datetime) -> str:
    return moment.date().isoformat()
