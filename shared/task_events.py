"""What workers tell Flower of their tasks, without losing any of it.

Celery collects a worker's events in a list, sends that list, and then clears it: what a thread of the pool adds while
it is being sent is gone (celery.events.dispatcher.EventDispatcher.flush, 5.6.3), and Flower shows a failed task as
received.
"""

from __future__ import annotations

from celery.app import events
from celery.events.dispatcher import EventDispatcher


class Dispatcher(EventDispatcher):  # type: ignore[misc]
    """Takes what it sends out of the list first."""

    def flush(self, errors: bool = True, groups: bool = True) -> None:
        """Sends what has been collected."""
        super().flush(errors, groups=False)
        if not groups:
            return
        with self.mutex:
            for group, collected in list(self._group_buffer.items()):
                taken = collected[:]
                del collected[: len(taken)]
                if taken:
                    self._publish(taken, self.producer, f"{group}.multi")


class Events(events.Events):  # type: ignore[misc]
    """For Celery's argument `events`."""

    dispatcher_cls = "shared.task_events:Dispatcher"
