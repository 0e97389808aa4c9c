"""Threads that know what they work for: the context of whoever hands them work, with the incident that the log and the
traces name, is theirs too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose work runs in a copy of the context in which it was handed over."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """As ThreadPoolExecutor does."""
        context: Any = copy_context()
        return super().submit(context.run, work, *args, **named)


def side_by_side(act: Callable[[A], T], items: Sequence[A], at_once: int) -> list[T]:
    """What `act` gives for each item, in their order, at most `at_once` of them at a time: the first by the thread that
    asks, as it would only wait. Raises what an item raised, when none is under way any more.
    """
    if len(items) < 2 or at_once < 2:
        return list(map(act, items))
    with Threads(min(at_once, len(items)) - 1) as pool:
        others = [pool.submit(act, item) for item in items[1:]]
        first = act(items[0])
    return [first, *(each.result() for each in others)]
