"""Waiting no longer than a deadline allows, for what knows no deadline itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from shared.moment import Deadline, DeadlineExceeded

T = TypeVar("T")


@contextmanager
def held(lock: threading.Lock, deadline: Deadline) -> Iterator[None]:
    """The lock is held inside this block. Raises DeadlineExceeded when others hold it too long."""
    if not lock.acquire(timeout=deadline.remaining()):
        raise DeadlineExceeded("others were waited for too long")
    try:
        yield
    finally:
        lock.release()


def within(deadline: Deadline, call: Callable[[], T]) -> T:
    """What `call` gives or raises, unless that takes too long: then it is left behind. Raises DeadlineExceeded."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as failure:  # noqa: BLE001  it is raised again on the other side
            outcome.set_exception(failure)

    threading.Thread(target=run, daemon=True).start()
    try:
        return outcome.result(deadline.remaining())
    except TimeoutError:
        raise DeadlineExceeded("no answer in time") from None
