"""A recipient that hangs takes a few threads and no more; whoever waited for it is called."""

from __future__ import annotations

import pytest

from worker.doors import Doors, threads_for


def _ids(recipient: str, count: int) -> list[str]:
    return [f"i{number}.1.deliver.{recipient}.brief" for number in range(count)]


@pytest.mark.parametrize("investigations", [1, 2, 3, 4, 7, 64, 100])
def test_whatever_recipients_do_every_investigation_has_a_thread(investigations: int) -> None:
    threads = threads_for(investigations)
    assert threads - Doors(threads).most >= investigations


def test_one_recipient_fills_its_own_door_only() -> None:
    doors = Doors(96)
    slow = _ids("slack", 8)
    assert [doors.enter(each) for each in slow] == [True] * 6 + [False] * 2
    assert doors.enter("i.1.deliver.callback")
    assert doors.leave("i.1.deliver.callback") == ()
    assert doors.leave(slow[0]) == (slow[6],), "who waited longest is called"
    assert doors.enter(slow[6])
    assert doors.leave(slow[1]) == (slow[7],)
    assert doors.leave(slow[2]) == ()


def test_a_recipient_that_asked_to_be_left_alone_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr("worker.doors.time.monotonic", lambda: clock)
    doors = Doors(96)
    first, second = _ids("slack", 2)
    assert doors.enter(first)
    doors.close(first, 30)
    assert doors.leave(first) == ()
    assert not doors.enter(second)
    assert doors.enter("i.1.deliver.teams.brief")
    clock += 31
    assert doors.enter(second)


def test_all_recipients_together_leave_threads_for_investigations() -> None:
    doors = Doors(96)
    entered = [each for name in "abcdefghij" for each in _ids(name, 6) if doors.enter(each)]
    assert len(entered) == 24
    assert doors.leave(entered[0])[0].split(".")[3] == "e", "who found everything full comes in for anybody"


def test_a_small_worker_makes_one_push_at_a_time() -> None:
    doors = Doors(64)
    doors.among(4)
    assert doors.enter("i.1.deliver.slack")
    assert not doors.enter("i.1.deliver.teams")
    assert doors.leave("i.1.deliver.slack") == ("i.1.deliver.teams",)
