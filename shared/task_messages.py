"""What goes to Redis for a task: its message, and the event by which Flower knows of it before a worker does.

Version 2 of https://docs.celeryq.dev/en/stable/internals/protocol.html, the event `task-sent` of
https://docs.celeryq.dev/en/stable/userguide/monitoring.html, and kombu's envelope around each. Celery and kombu write
the same, and take five times as long.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

EVENTS: Final = "celeryev"
"""The exchange of Celery's events."""
_SEVERAL: Final = "task.multi"


@dataclass(frozen=True, slots=True)
class Task:
    """One task that workers are to be told of."""

    id: str
    name: str
    args: Sequence[str]
    described: str
    """What Flower shows for its arguments."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who tells of tasks."""

    clock: int
    """Celery's logical one."""
    root_id: str | None = None
    """The task that the task which tells began with; None outside of tasks."""
    parent_id: str | None = None


def message(task: Task, origin: Origin, queue: str) -> str:
    """The task's message, for the list that is the queue."""
    headers: dict[str, Any] = {
        "lang": "py",
        "task": task.name,
        "id": task.id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": origin.root_id or task.id,
        "parent_id": origin.parent_id,
        "argsrepr": task.described,
        "kwargsrepr": "{}",
        "origin": _node(),
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    own = {"correlation_id": task.id, "reply_to": "", "delivery_mode": 2}
    return _envelope([task.args, {}, _NO_CANVAS], headers, own, "", queue)


def sent_events(tasks: Iterable[Task], origin: Origin, queue: str) -> str:
    """The `task-sent` events of some tasks as one message, for `sent_channel`."""
    same = {
        "type": "task-sent",
        "timestamp": time.time(),
        "hostname": _node(),
        "utcoffset": (time.altzone if time.localtime().tm_isdst > 0 else time.timezone) // 3600,
        "pid": os.getpid(),
        "clock": origin.clock,
        "kwargs": "{}",
        "retries": 0,
        "eta": None,
        "expires": None,
        "queue": queue,
        "exchange": "",
        "routing_key": queue,
    }
    events = [
        {
            **same,
            "uuid": task.id,
            "root_id": origin.root_id or task.id,
            "parent_id": origin.parent_id,
            "name": task.name,
            "args": task.described,
        }
        for task in tasks
    ]
    return _envelope(events, {"hostname": same["hostname"]}, {"delivery_mode": 1}, EVENTS, _SEVERAL)


def _node() -> str:
    """The name that Celery gives a process that is no worker."""
    return f"gen{os.getpid()}@{_host()}"


_host = cache(socket.gethostname)


def sent_channel(database: int) -> str:
    """The channel of Redis for `sent_events`; `database` is the number of the broker's."""
    return f"/{database}.{EVENTS}/{_SEVERAL}"


_NO_CANVAS: Final = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def _envelope(body: Any, headers: dict[str, Any], own: dict[str, Any], exchange: str, routing_key: str) -> str:
    properties = own | {
        "delivery_info": {"exchange": exchange, "routing_key": routing_key},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    envelope = {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(envelope)
