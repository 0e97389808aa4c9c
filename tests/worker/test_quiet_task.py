"""What Flower hears of a task that found nothing to do, from a real worker."""

from __future__ import annotations

import tempfile
from pathlib import Path
from threading import Thread
from typing import Any

from redis import Redis

from shared.task_application import make_celery
from shared.task_queue import QUEUE
from tests.installation import Installation, until


def test_the_end_of_a_message_that_came_twice_is_not_told() -> None:
    # pytest's own folders are too deep for a socket's path on some machines.
    with tempfile.TemporaryDirectory(prefix="wd") as folder, Installation(Path(folder), {}) as installation:
        installation.start_queue()
        installation.migrate()
        celery = make_celery(installation.storage)
        told: list[tuple[str, str]] = []

        def hear(event: dict[str, Any]) -> None:
            told.append((event["type"], event.get("uuid", "")))

        with (
            Redis(unix_socket_path=str(installation.storage.embedded_socket())) as queue,
            celery.connection_for_read() as connection,
        ):
            receiver = celery.events.Receiver(connection, handlers={"*": hear})
            listening = Thread(target=receiver.capture, daemon=True)
            listening.start()
            installation.start_worker()
            until(lambda: told, "the worker tells that it lives", installation.logs)

            def done() -> bool:
                return bool(queue.llen(QUEUE) == queue.hlen("unacked") == 0)

            # Of our own, and the same by somebody's hand.
            for task_id in ("abc.1.diagnose", "by-hand"):
                celery.send_task("whydown.diagnose", ["abc.1.diagnose"], task_id=task_id)
                until(done, "the worker has done with it", installation.logs)
            until(lambda: ("task-succeeded", "by-hand") in told, "the other's end is told", installation.logs)
            receiver.should_stop = True
            listening.join()
    assert ("task-started", "abc.1.diagnose") in told
    assert ("task-succeeded", "abc.1.diagnose") not in told
    assert not [kind for kind, _ in told if kind == "task-failed"]
