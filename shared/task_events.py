"""What workers tell Flower of their tasks: all of it, in few messages.

Celery collects a worker's events in a list, sends that list, and then clears it: what a thread of the pool adds while
it is being sent is gone (celery.events.dispatcher.EventDispatcher.flush, 5.6.3), and Flower shows a failed task as
received. And it sends them each time that its loop turns, which takes as much of it as taking messages off the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from celery.app import events
from celery.events.dispatcher import EventDispatcher

PAUSE_SECONDS: Final = 0.1
"""How long an event waits for others to be sent with it."""


class Dispatcher(EventDispatcher):  # type: ignore[misc]
    """Takes what it sends out of the list first, and sends what comes within a moment together."""

    def __init__(self, *args: Any, on_send_buffered: Callable[[], None] | None = None, **options: Any) -> None:
        """As Celery makes it, with `on_send_buffered` where it has a loop."""
        super().__init__(*args, on_send_buffered=on_send_buffered and self._send_soon, **options)
        # It is a method of the consumer that has the loop. Once it has connected anew, kombu knows of no current one.
        consumer: Any = getattr(on_send_buffered, "__self__", None)
        self._loop: Any = consumer and consumer.hub
        self._asked = False

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Sends what has been collected."""
        self._asked = False
        super().flush(errors, groups=False)
        if not groups:
            return
        with self.mutex:
            for group, collected in list(self._group_buffer.items()):
                taken = collected[:]
                del collected[: len(taken)]
                if taken:
                    self._publish(taken, self.producer, f"{group}.multi")

    def _send_soon(self) -> None:
        if not self._asked:
            self._asked = True
            # Timers belong to the loop's own thread, and tasks end on others.
            self._loop.call_soon(self._loop.call_later, PAUSE_SECONDS, self._flush_if_open)

    def _flush_if_open(self) -> None:
        if self.producer is not None:
            self.flush()


class Events(events.Events):  # type: ignore[misc]
    """For Celery's argument `events`."""

    dispatcher_cls = "shared.task_events:Dispatcher"
