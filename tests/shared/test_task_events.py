"""An event that comes while others are being sent is sent with the next ones, and none is sent twice."""

from __future__ import annotations

from typing import Any

from shared.settings import Storage
from shared.task_queue import make_celery


class _Producer:
    """Notes what is published; meanwhile a thread of the pool adds another event."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.meanwhile = ["task-failed"]
        self.dispatcher: Any = None

    def publish(self, events: list[dict[str, Any]], **_: Any) -> None:
        # Copied first: what is added now is not part of the message any more.
        self.sent += [event["type"] for event in events]
        if self.meanwhile:
            self.dispatcher.send(self.meanwhile.pop())


def test_what_comes_while_others_are_sent_is_not_lost() -> None:
    app = make_celery(Storage(redis_url="memory://"))
    dispatcher = app.events.Dispatcher(buffer_group=["task"], enabled=False, buffer_while_offline=False)
    dispatcher.enabled, dispatcher.producer = True, _Producer()
    dispatcher.producer.dispatcher = dispatcher
    dispatcher.send("task-received")
    dispatcher.send("task-started")
    dispatcher.flush()
    assert dispatcher.producer.sent == ["task-received", "task-started"]
    dispatcher.flush()
    dispatcher.flush()
    assert dispatcher.producer.sent == ["task-received", "task-started", "task-failed"]
