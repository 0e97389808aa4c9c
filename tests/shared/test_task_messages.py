"""What goes over the wire for a task, beside what Celery sends for the same one."""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis

from shared import task_queue
from shared.settings import Storage
from shared.task_application import make_celery, publish
from shared.task_queue import QUEUE
from tests.whydown.processes_seen import eventually
from whydown import embedded_queue
from whydown.supervision import Program, Supervisor

TASKS = ("abc.1.investigate", "xyz.2.diagnose")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Celery, Redis]]:
    """Celery on a queue of its own, which this process publishes to as well."""
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        storage = Storage(data=Path(folder), redis_url=None)
        with Supervisor(storage.data / "logs", print) as supervisor:
            supervisor.start(Program("queue", embedded_queue.command(storage), dict(os.environ), storage.data))
            assert eventually(lambda: embedded_queue.answering(storage.embedded_socket()) is not None)
            celery = make_celery(storage)
            monkeypatch.setenv("WHYDOWN_REDIS_URL", storage.resolved_redis_url().replace("redis+socket", "unix"))
            task_queue._client.cache_clear()
            with Redis(unix_socket_path=str(storage.embedded_socket())) as client:
                yield celery, client
            task_queue._client.cache_clear()


def _by_celery(celery: Celery) -> None:
    with celery.producer_or_acquire() as producer:
        for task_id in TASKS:
            name, described = f"whydown.{task_queue.kind_of(task_id)}", task_queue.described([task_id])
            message = celery.amqp.create_task_message(
                task_id, name, [task_id], {}, argsrepr=described, create_sent_event=True
            )
            celery.amqp.send_task_message(producer, name, message, queue=QUEUE)


def test_a_message_is_what_celery_would_send(broker: tuple[Celery, Redis]) -> None:
    celery, client = broker
    _by_celery(celery)
    publish(TASKS)
    messages = [json.loads(raw) for raw in reversed(client.lrange(QUEUE, 0, -1))]
    tags = {message["properties"].pop("delivery_tag") for message in messages}
    assert len(tags) == 4, "by its tag a message is acknowledged"
    for message in messages:
        message["body"] = json.loads(base64.b64decode(message["body"]))
    assert messages[2:] == messages[:2]


def test_celerys_receiver_hears_the_events_that_celery_would_send(broker: tuple[Celery, Redis]) -> None:
    celery, client = broker
    heard: list[dict[str, Any]] = []
    receiver = celery.events.Receiver(celery.connection_for_read(), handlers={"*": heard.append})
    with receiver.consumer_context(wakeup=False) as (connection, _, _):
        while not client.pubsub_numpat():  # it subscribes when it first looks for something
            with suppress(TimeoutError):
                connection.drain_events(timeout=0.1)
        _by_celery(celery)
        publish(TASKS)
        while len(heard) < 4:
            connection.drain_events(timeout=60)
    for event in heard:
        for own in ("timestamp", "local_received", "clock"):
            assert event.pop(own) > 0
    assert heard[2:] == heard[:2]
