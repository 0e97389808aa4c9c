"""Admission as a worker asks for it: one thread at a time, and nobody who asks meanwhile is forgotten."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from shared.database import Database
from shared.settings import Investigation
from shared.store import admission
from worker import tasks
from worker.parts import Parts


def test_whoever_asks_while_another_is_at_it_waits_for_nothing_and_is_seen_to(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()
    asked: list[int] = []
    published: list[str] = []

    def admit(_: Database, most: int) -> tuple[str, ...]:
        asked.append(most)
        if len(asked) == 1:
            begun.set()
            assert go_on.wait(30)
            return ("first",)
        return ("second", "third")

    monkeypatch.setattr(tasks, "parts", lambda: Parts(database=database, settings=Investigation(), sources={}))
    monkeypatch.setattr(admission, "admit", admit)
    monkeypatch.setattr(tasks, "publish", published.extend)
    answers: list[bool] = []
    one = Thread(target=lambda: answers.append(tasks._admit("third")))
    one.start()
    assert begun.wait(30)
    assert not tasks._admit("second"), "it is back before the first one is"
    assert len(asked) == 1
    go_on.set()
    one.join(30)
    assert answers == [True]
    assert len(asked) == 2
    assert published == ["first", "second"]
