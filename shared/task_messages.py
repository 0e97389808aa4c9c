"""What goes to Redis for a task: its message, and the event by which Flower knows of it before a worker does.

Version 2 of https://docs.celeryq.dev/en/stable/internals/protocol.html, the event `task-sent` of
https://docs.celeryq.dev/en/stable/userguide/monitoring.html, and kombu's envelope around each. Celery and kombu write
the same, and take five times as long.
"""

from __future__ import annotations

import base64
import json
import os
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from celery.utils.nodenames import anon_nodename
from celery.utils.time import utcoffset

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
    root_id: str | None = None
    """The task that the task which told of it began with; None outside of tasks."""
    parent_id: str | None = None


def message(task: Task, queue: str) -> str:
    """The task's message, for the list that is the queue."""
    headers = {
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
        "root_id": task.root_id or task.id,
        "parent_id": task.parent_id,
        "argsrepr": task.described,
        "kwargsrepr": "{}",
        "origin": anon_nodename(),
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    own = {"correlation_id": task.id, "reply_to": "", "delivery_mode": 2}
    return _envelope([task.args, {}, _NO_CANVAS], headers, own, "", queue)


def sent_events(tasks: Iterable[Task], queue: str, clock: int) -> str:
    """The `task-sent` events of some tasks as one message, for `sent_channel`; `clock` is Celery's logical one."""
    same = {
        "type": "task-sent",
        "timestamp": time.time(),
        "hostname": anon_nodename(),
        "utcoffset": utcoffset(),
        "pid": os.getpid(),
        "clock": clock,
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
            "root_id": task.root_id or task.id,
            "parent_id": task.parent_id,
            "name": task.name,
            "args": task.described,
        }
        for task in tasks
    ]
    return _envelope(events, {"hostname": same["hostname"]}, {"delivery_mode": 1}, EVENTS, _SEVERAL)


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
