"""Publishing: nobody waits for the broker."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

from shared import task_queue
from shared.task_queue import Publisher, kind_of


def test_a_broker_that_hangs_holds_nobody_up_and_nothing_is_dropped() -> None:
    answers, done = Event(), Event()
    published: list[str] = []

    def slowly(work_ids: Sequence[str]) -> None:
        answers.wait(60)
        published.extend(work_ids)
        if len(published) == 3:
            done.set()

    publisher = Publisher(slowly)
    for work_id in ("a", "b", "c"):
        publisher.publish([work_id])
    assert published == [], "it returned before the broker answered"
    answers.set()
    assert done.wait(60)
    assert published == ["a", "b", "c"]


def test_more_than_it_can_hold_is_left_to_the_reconciler() -> None:
    answers, taken = Event(), Event()

    def hangs(_: Sequence[str]) -> None:
        taken.set()
        answers.wait(60)

    publisher = Publisher(hangs)
    publisher.publish(["first"])
    assert taken.wait(60)
    for number in range(task_queue.MOST_WAITING + 10):
        publisher.publish([str(number)])
    answers.set()


def test_the_kind_of_work_stands_in_its_id() -> None:
    assert kind_of("abc.1.gather.logs.loki") == "gather"
