"""The embedded queue, run as `whydown up` runs it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from shared.errors import WhydownError
from shared.settings import Storage
from tests.whydown.processes_seen import eventually, mentioning
from whydown import embedded_queue
from whydown.supervision import Program, Supervisor


@pytest.fixture
def storage() -> Iterator[Storage]:
    # pytest's own folders are too deep for a socket's path on some machines.
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        yield Storage(data=Path(folder), redis_url=None)


def start(supervisor: Supervisor, storage: Storage) -> int:
    program = Program("queue", embedded_queue.command(storage), dict(os.environ), storage.data)
    process = supervisor.start(program)
    assert eventually(lambda: embedded_queue.answering(storage.embedded_socket()) == process)
    return process


def test_it_keeps_what_it_was_given_and_leaves_neither_process_nor_socket(storage: Storage) -> None:
    socket = storage.embedded_socket()
    for value in (None, b"kept"):
        with Supervisor(storage.data / "logs", print) as supervisor:
            start(supervisor, storage)
            assert stat.S_IMODE(socket.stat().st_mode) == 0o700
            with Redis(unix_socket_path=str(socket)) as client:
                assert client.get("word") == value
                assert client.config_get("port") == {"port": "0"}
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
                client.set("word", "kept")
        assert not socket.exists()
        assert mentioning(str(storage.data)) == []


def test_what_a_killed_server_left_behind_is_no_hindrance(storage: Storage) -> None:
    with Supervisor(storage.data / "logs", print) as supervisor:
        os.kill(start(supervisor, storage), 9)
    assert storage.embedded_socket().exists()
    with Supervisor(storage.data / "logs", print) as supervisor:
        start(supervisor, storage)


def test_a_server_that_still_answers_is_not_doubled(storage: Storage) -> None:
    with Supervisor(storage.data / "logs", print) as supervisor:
        process = start(supervisor, storage)
        with pytest.raises(WhydownError, match=rf"process {process} still serves the queue"):
            embedded_queue.command(storage)


def test_cleaning_takes_a_stale_socket_away(storage: Storage) -> None:
    with Supervisor(storage.data / "logs", print) as supervisor:
        os.kill(start(supervisor, storage), 9)
    embedded_queue.clean(storage)
    assert not storage.embedded_socket().exists()


def test_a_data_folder_too_deep_for_a_socket_has_it_elsewhere() -> None:
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        storage = Storage(data=Path(folder) / ("deep" * 30), redis_url=None)
        storage.data.mkdir()
        with Supervisor(storage.data / "logs", print) as supervisor:
            start(supervisor, storage)
            assert stat.S_IMODE(storage.embedded_socket().parent.stat().st_mode) == 0o700
        embedded_queue.clean(storage)
        assert not storage.embedded_socket().parent.exists()
