"""A task that may end without a word in Flower.

Celery's own way to that is an exception (Ignore), for which it copies every frame of the stack, twice: that takes
longer than to find out that there is nothing to do, and most messages of a storm come before their incident's turn.
"""

from __future__ import annotations

from typing import Any, Final

from celery import Task
from celery.worker.request import Request

NOTHING_TO_DO: Final = "nothing to do"
"""What a task returns of whose end Flower is not told: it would tell of a success where the first one failed."""


class _Request(Request):  # type: ignore[misc]
    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  Celery's name for it
        if fields.get("result") != repr(NOTHING_TO_DO):
            super().send_event(type, **fields)


class QuietTask(Task):  # type: ignore[misc]
    """For Celery's argument `base`."""

    Request = _Request
