"""Who is called when alerts come in, and that nobody is called for those whose turn is far."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.alert import Alert, AlertGroup, Delivery
from shared.database import Database
from shared.store import admission, intake
from webhook import summons
from webhook.summons import LONG, Summons


def opened(database: Database, many: int) -> list[str]:
    """The ids of the work of so many new incidents."""
    groups = tuple(
        AlertGroup(f"g{n}", f"service-{n}", "t", (Alert(f"f{n}", True, "t", f"service-{n}"),)) for n in range(many)
    )
    return list(intake.accept(database, Delivery("plain", groups), timedelta(hours=1)).work)


@pytest.fixture
def published() -> list[str]:
    return []


@pytest.fixture
def summon(database: Database, published: list[str]) -> Summons:
    return Summons(database, published.extend)


def test_a_few_are_all_called_for_whoever_else_waits(database: Database, summon: Summons, published: list[str]) -> None:
    waiting = opened(database, LONG + 4)
    for work_id in waiting[:4]:
        summon([work_id])
    assert published == waiting[:4], "so few that the line is not even looked at"


def test_of_those_that_join_a_long_line_one_is_called_for_each_look(
    database: Database, summon: Summons, published: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = opened(database, LONG + 4)
    monkeypatch.setattr(summons, "LOOK_SECONDS", 3_600.0)
    summon(waiting)
    summon(["i.1.deliver.slack", waiting[0]])
    assert published == [waiting[0], "i.1.deliver.slack"], "what is to be done now is told now"
    monkeypatch.setattr(summons, "LOOK_SECONDS", 0.0)
    summon(waiting[:2])
    assert published[2:] == [waiting[0]]


def test_all_are_called_for_when_the_line_is_gone(
    database: Database, summon: Summons, published: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summons, "LOOK_SECONDS", 0.0)
    waiting = opened(database, LONG)
    summon([*waiting, "another.1.investigate"])
    assert published == waiting[:1]
    admission.admit(database, 1)
    summon(waiting)
    assert published[1:] == waiting


def test_a_database_that_is_away_hides_no_work(published: list[str]) -> None:
    nowhere = Database("postgresql+psycopg://w@127.0.0.1:1/w")
    work_ids = [f"i{n}.1.investigate" for n in range(LONG + 1)]
    Summons(nowhere, published.extend)(work_ids)
    assert published == work_ids
    nowhere.close()
