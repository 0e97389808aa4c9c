"""A channel of kombu on a real queue: how many clients it makes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from shared.queue_transport import Channel
from shared.settings import Storage
from shared.task_application import make_celery
from tests.whydown.processes_seen import eventually
from whydown import embedded_queue
from whydown.supervision import Program, Supervisor


def test_a_channel_makes_one_client_for_each_pool() -> None:
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        storage = Storage(data=Path(folder), redis_url=None)
        with Supervisor(storage.data / "logs", print) as supervisor:
            supervisor.start(Program("queue", embedded_queue.command(storage), dict(os.environ), storage.data))
            assert eventually(lambda: embedded_queue.answering(storage.embedded_socket()) is not None)
            with make_celery(storage).connection_for_write() as connection:
                channel: Any = connection.channel()
                assert Channel in type(channel).__mro__
                with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
                    assert first is second
                channel._disconnect_pools()  # what kombu does when the connection has ended
                with channel.conn_or_acquire() as third:
                    assert third is not first
                    assert third.ping()
