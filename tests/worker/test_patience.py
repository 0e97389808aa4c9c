from __future__ import annotations

import threading

import pytest

from shared.moment import Deadline, DeadlineExceeded
from worker.patience import held, within


def test_a_lock_that_others_hold_is_given_up_at_the_deadline_and_free_afterwards() -> None:
    lock = threading.Lock()
    with held(lock, Deadline.after(5)), pytest.raises(DeadlineExceeded), held(lock, Deadline.after(0.1)):
        pass
    assert not lock.locked()


def test_a_lock_is_let_go_when_what_was_done_under_it_fails() -> None:
    lock = threading.Lock()
    with pytest.raises(ValueError, match="x"), held(lock, Deadline.after(5)):
        raise ValueError("x")
    assert not lock.locked()


def test_a_call_that_does_not_end_is_left_behind_at_the_deadline() -> None:
    never = threading.Event()
    with pytest.raises(DeadlineExceeded):
        within(Deadline.after(0.1), lambda: never.wait(60))
    never.set()


def test_what_a_call_gives_or_raises_is_handed_on() -> None:
    assert within(Deadline.after(5), lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(Deadline.after(5), lambda: 1 // 0)
