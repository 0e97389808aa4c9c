"""A channel of kombu on a real queue: how many clients it makes, and what it notes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu.simple import SimpleQueue

from shared.queue_transport import Channel
from shared.settings import Storage
from shared.task_application import make_celery
from tests.whydown.processes_seen import eventually
from whydown import embedded_queue
from whydown.supervision import Program, Supervisor


@pytest.fixture
def channel() -> Iterator[Any]:
    """kombu's, on a queue of its own."""
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        storage = Storage(data=Path(folder), redis_url=None)
        with Supervisor(storage.data / "logs", print) as supervisor:
            supervisor.start(Program("queue", embedded_queue.command(storage), dict(os.environ), storage.data))
            assert eventually(lambda: embedded_queue.answering(storage.embedded_socket()) is not None)
            with make_celery(storage).connection_for_write() as connection:
                yield connection.channel()


def test_a_channel_makes_one_client_for_each_pool(channel: Any) -> None:
    assert Channel in type(channel).__mro__
    with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
        assert first is second
    channel._disconnect_pools()  # what kombu does when the connection has ended
    with channel.conn_or_acquire() as third:
        assert third is not first
        assert third.ping()


@pytest.mark.parametrize("acknowledged", [True, False])
def test_a_message_is_noted_while_it_is_in_hand(channel: Any, acknowledged: bool) -> None:
    queue: Any = SimpleQueue(channel, "work")  # type: ignore[no-untyped-call]
    with channel.conn_or_acquire() as client, queue:
        queue.put("an incident")
        before = _transactions(client)
        message = queue.get(timeout=20)
        assert client.hlen(channel.unacked_key) == client.zcard(channel.unacked_index_key) == 1
        if acknowledged:
            message.ack()
            assert _transactions(client) == before
        else:
            channel.qos.restore_by_tag(message.delivery_tag)
        assert client.hlen(channel.unacked_key) == client.zcard(channel.unacked_index_key) == 0
        assert client.llen("work") == (0 if acknowledged else 1)


def _transactions(client: Any) -> int:
    counted: int = client.info("commandstats").get("cmdstat_multi", {"calls": 0})["calls"]
    return counted
