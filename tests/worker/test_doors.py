"""A recipient that hangs takes a few threads and no more; whoever waited for it is called."""

from __future__ import annotations

from worker.doors import ALL, EACH, Doors


def _ids(recipient: str, count: int) -> list[str]:
    return [f"i{number}.1.deliver.{recipient}.brief" for number in range(count)]


def test_one_recipient_fills_its_own_door_only() -> None:
    doors = Doors()
    slow = _ids("slack", EACH + 2)
    assert [doors.enter(each) for each in slow] == [True] * EACH + [False] * 2
    assert doors.enter("i.1.deliver.callback")
    assert doors.leave("i.1.deliver.callback") == ()
    assert doors.leave(slow[0]) == (slow[EACH],), "who waited longest is called"
    assert doors.enter(slow[EACH])
    assert doors.leave(slow[1]) == (slow[EACH + 1],)
    assert doors.leave(slow[2]) == ()


def test_all_recipients_together_leave_threads_for_investigations() -> None:
    doors = Doors()
    entered = [each for name in "abcdefghij" for each in _ids(name, EACH) if doors.enter(each)]
    assert len(entered) == ALL
    assert doors.leave(entered[0])[0].split(".")[3] == "e", "who found everything full comes in for anybody"
