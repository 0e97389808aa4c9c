"""An event that comes while others are being sent is sent with the next ones, and none is sent twice."""

from __future__ import annotations

from threading import Thread
from typing import Any

import pytest
from kombu.asynchronous import Hub

from shared.settings import Storage
from shared.task_application import make_celery


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


def test_what_comes_within_a_moment_is_sent_together(monkeypatch: pytest.MonkeyPatch) -> None:
    make: Any = Hub
    hub, sent, later = make(), [], []
    monkeypatch.setattr(hub, "call_later", lambda _seconds, flush: later.append(flush))

    class Consumer:
        """As Celery's, whose own way would send each for itself."""

        def __init__(self) -> None:
            self.hub = hub

        def on_send_event_buffered(self) -> None:
            raise AssertionError("each for itself")

    class Producer:
        def publish(self, events: list[dict[str, Any]], **_: Any) -> None:
            sent.append([event["type"] for event in events])

    app = make_celery(Storage(redis_url="memory://"))
    asked = Consumer().on_send_event_buffered
    dispatcher = app.events.Dispatcher(buffer_group=["task"], enabled=False, on_send_buffered=asked)
    dispatcher.enabled, dispatcher.producer = True, Producer()
    loop = hub.create_loop()
    kinds = ["task-received", "task-started", "task-succeeded"]
    for kind in kinds:
        thread = Thread(target=dispatcher.send, args=(kind,))
        thread.start()
        thread.join()
        next(loop)
    (flush,) = later
    flush()
    dispatcher.send("task-failed")
    next(loop)
    later[1]()
    hub.close()
    assert sent == [kinds, ["task-failed"]]
