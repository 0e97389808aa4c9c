"""Admission as a worker asks for it: one thread at a time, and nobody who asks meanwhile is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from worker.admitting import MANY, Admitting


class Turns:
    """Lets those begin that were given for each time it is asked; the first time waits until it is let go."""

    def __init__(self, *turns: tuple[str, ...]) -> None:
        self.begun, self.go_on = Event(), Event()
        self.times = 0
        self._turns: Iterator[tuple[str, ...]] = iter(turns)

    def __call__(self) -> tuple[str, ...]:
        self.times += 1
        if self.times == 1:
            self.begun.set()
            assert self.go_on.wait(30)
        return next(self._turns)


def asked_twice(turns: Turns, mine: str) -> tuple[bool, list[str]]:
    """What one is told who asks while nobody does, and whom another asks meanwhile; and what was published."""
    published: list[str] = []
    admitting = Admitting(turns, published.extend)
    answers: list[bool] = []
    one = Thread(target=lambda: answers.append(admitting.ask(mine)))
    one.start()
    assert turns.begun.wait(30)
    assert not admitting.ask("another"), "it is back before the first one is"
    assert turns.times == 1
    turns.go_on.set()
    one.join(30)
    return answers[0], published


@pytest.mark.parametrize(
    ("mine", "begins", "published"),
    [
        ("third", True, ["first", "another"]),
        # Whoever sees to it for others, too, leaves its own to them.
        ("first", False, ["first", "another", "third"]),
    ],
)
def test_whoever_asks_while_another_is_at_it_waits_for_nothing_and_is_seen_to(
    mine: str, begins: bool, published: list[str]
) -> None:
    turns = Turns(("first",), ("another", "third"))
    assert asked_twice(turns, mine) == (begins, published)
    assert turns.times == 2


def test_after_many_were_admitted_it_is_looked_once_more_for_those_whom_nobody_called() -> None:
    published: list[str] = []
    many = tuple(f"work-{n}" for n in range(MANY))
    turns = Turns(many, ("late",))
    turns.go_on.set()
    assert not Admitting(turns, published.extend).ask("work-0")
    assert published == [*many, "late"]
    assert turns.times == 2


def test_the_one_who_asks_alone_begins_with_its_own() -> None:
    published: list[str] = []
    turns = Turns(("mine", "other"), ())
    turns.go_on.set()
    admitting = Admitting(turns, published.extend)
    assert admitting.ask("mine")
    assert published == ["other"]
    assert not admitting.ask("mine"), "its turn has not come"


def test_after_a_database_that_was_away_it_is_asked_again() -> None:
    turns = Turns()
    turns.go_on.set()
    admitting = Admitting(turns, lambda _: None)
    for times in (1, 2):
        with pytest.raises(StopIteration):
            admitting.ask()
        assert turns.times == times
