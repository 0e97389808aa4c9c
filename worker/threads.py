"""Threads that know what they work for: the context of whoever hands them work, with the incident that the log and the
traces name, is theirs too.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose work runs in a copy of the context in which it was handed over."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        """As ThreadPoolExecutor does."""
        context: Any = copy_context()
        return super().submit(context.run, work, *args, **named)
