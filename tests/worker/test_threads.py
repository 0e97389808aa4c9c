"""What a thread logs names the incident that its work was handed over for."""

from __future__ import annotations

import threading

import pytest
import structlog

from worker.threads import Threads, side_by_side


def _incident(suffix: str = "") -> str:
    return f"{structlog.contextvars.get_contextvars().get('incident')}{suffix}"


def test_the_context_goes_along_and_stays_apart() -> None:
    with Threads(1) as pool:
        with structlog.contextvars.bound_contextvars(incident="first"):
            first = pool.submit(_incident)
            mapped = list(pool.map(_incident, ("-a", "-b")))
        with structlog.contextvars.bound_contextvars(incident="second"):
            second = pool.submit(_incident, suffix="!")
        none = pool.submit(_incident)
    assert (first.result(), mapped, second.result(), none.result()) == (
        "first", ["first-a", "first-b"], "second!", "None",
    )  # fmt: skip


def test_side_by_side_all_are_under_way_together_and_the_asking_thread_is_one_of_them() -> None:
    together = threading.Barrier(3)

    def act(word: str) -> tuple[str, str]:
        together.wait(10)
        return _incident(word), threading.current_thread().name

    with structlog.contextvars.bound_contextvars(incident="first"):
        told = side_by_side(act, ("-a", "-b", "-c"), 3)
    assert [word for word, _ in told] == ["first-a", "first-b", "first-c"]
    assert threading.current_thread().name in {thread for _, thread in told}


def test_side_by_side_no_more_than_may_be_at_once() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def act(number: int) -> int:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.01)
        with lock:
            under_way -= 1
        return number

    assert side_by_side(act, range(8), 2) == list(range(8))
    assert most <= 2
    assert side_by_side(act, range(3), 1) == [0, 1, 2]
    assert side_by_side(act, (), 2) == []


@pytest.mark.parametrize("failing", [0, 2])
def test_side_by_side_a_failure_is_raised_when_all_are_over(failing: int) -> None:
    over: set[int] = set()

    def act(number: int) -> None:
        if number == failing:
            raise ValueError(f"number {number}")
        threading.Event().wait(0.01)
        over.add(number)

    with pytest.raises(ValueError, match=f"number {failing}"):
        side_by_side(act, range(4), 4)
    assert over == {0, 1, 2, 3} - {failing}
