"""The queue: how work travels. A message holds the id of a row of work only; losing it costs time, never work."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from itertools import count
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import Final

import structlog
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared import task_messages, tracing
from shared.known_services import service_of
from shared.settings import Storage
from shared.task_messages import Origin, Task

QUEUE: Final = "whydown"
TASKS: Final = {kind: f"whydown.{kind}" for kind in ("investigate", "gather", "diagnose", "deliver")}
WORK_ID: Final = re.compile(rf"([a-z0-9]{{1,40}})\.[0-9]+\.({'|'.join(TASKS)})\b.*")
"""The id of a piece of work, and of the task that does it: the incident's id, the attempt, the kind, the subject."""
RECONCILE: Final = "whydown.reconcile"
RECONCILE_SECONDS: Final = 5.0

MOST_WAITING: Final = 10_000
"""Requests whose work may wait for a broker that does not answer."""

PAUSE_SECONDS: Final = 0.05
"""Between two round trips of a publisher: what comes alone is told at once, what comes in a burst is told together."""

MOST_TOGETHER: Final = 500
"""Requests whose work is published in one round trip."""

_log = structlog.get_logger(__name__)


def publish(work_ids: Sequence[str], origin: Origin | None = None) -> None:
    """Tells the workers about rows of work, all in one round trip. `origin` says whose task does, if one does. Bounded
    in time and never raises: the reconciler publishes again what was not taken up.
    """
    if not work_ids:
        return
    # The task's id begins with the incident's: an operator finds it so in Flower.
    tasks = [Task(id, TASKS[kind_of(id)], args, described(args)) for id, args in messages(work_ids).items()]  # noqa: A001
    try:
        with ExitStack() as spans:
            for task in tasks:
                incident = task.id.partition(".")[0]
                messaging = {"messaging__system": "redis", "messaging__message__id": task.id}
                spans.enter_context(tracing.span(f"publish {task.name}", incident, "producer", **messaging))
            _send(tasks, origin or Origin(next(_ticks)))
    except (RedisError, OSError) as failure:
        _log.warning("publish_failed", work=len(work_ids), reason=type(failure).__name__)


_ticks = count(1)
"""Celery's logical clock of a process that hears of no other's."""


def _send(tasks: Sequence[Task], origin: Origin) -> None:
    client = _client(2.0)
    database = client.connection_pool.connection_kwargs.get("db") or 0
    with client.pipeline(transaction=False) as together:
        together.lpush(QUEUE, *(task_messages.message(task, origin, QUEUE) for task in tasks))
        together.publish(task_messages.sent_channel(database), task_messages.sent_events(tasks, origin, QUEUE))
        together.execute()


def messages(work_ids: Sequence[str]) -> dict[str, list[str]]:
    """The messages that tell of some work, by their task id: one for each, but one for all sources of an attempt.

    Why: docs/decisions/0012-one-message-for-the-sources.md.
    """
    found: dict[str, list[str]] = {}
    for work_id in work_ids:
        incident, attempt, kind, *_ = work_id.split(".", 3)
        found.setdefault(f"{incident}.{attempt}.{kind}" if kind == "gather" else work_id, []).append(work_id)
    return found


LONGEST_NAME: Final = 64
"""Characters of a service's name that Flower shows."""


def described(work_ids: Sequence[str]) -> str:
    """What one message is about, for people: `invoice-api: gather changes.git and logs.loki, attempt 1`. The name comes
    from outside: it is cut, and holds nothing but letters, digits and the punctuation of names.
    """
    incident, attempt, kind, *_ = work_ids[0].split(".", 3)
    subjects = " and ".join(subject for work_id in work_ids for subject in work_id.split(".", 3)[3:])
    service = re.sub(r"[^\w./:@-]", "?", service_of(incident) or "")[:LONGEST_NAME]
    return f"{service}{': ' * bool(service)}{kind}{' ' * bool(subjects)}{subjects}, attempt {attempt}"


class Publisher:
    """Publishes from a thread of its own, so that nobody who has an alert to answer for waits for the broker.

    What it still holds when its process dies, or cannot hold because the broker is away for long, is found by the
    reconciler.
    """

    def __init__(self, publish: Callable[[Sequence[str]], None] = publish) -> None:
        """The thread starts with the first work: make one Publisher per process, after a fork."""
        self._publish = publish
        self._waiting: Queue[Sequence[str]] = Queue(MOST_WAITING)
        self._start = Lock()
        self._thread: Thread | None = None

    def publish(self, work_ids: Sequence[str]) -> None:
        """Returns at once and never raises."""
        if not work_ids:
            return
        with self._start:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="whydown-publisher", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(work_ids)
        except Full:
            _log.warning("publish_left_to_the_reconciler", work=len(work_ids))

    def _run(self) -> None:
        while True:
            self._publish([*self._waiting.get(), *self._also_waiting()])
            time.sleep(PAUSE_SECONDS)

    def _also_waiting(self) -> Iterator[str]:
        """What has come while the thread was busy, without waiting for more."""
        with suppress(Empty):
            for _ in range(MOST_TOGETHER):
                yield from self._waiting.get_nowait()


def kind_of(work_id: str) -> str:
    """The kind of work that an id names: `<incident>.<attempt>.<kind>[.<subject>]`."""
    return work_id.split(".", 3)[2]


def ping(timeout: float) -> None:
    """Returns when the broker answers. Raises redis.RedisError or OSError when it does not within `timeout` seconds."""
    _client(timeout).ping()


def depth() -> int:
    """How many messages wait. Raises redis.RedisError."""
    return int(_client(2.0).llen(QUEUE))


def clock(timeout: float) -> float:
    """The broker's time, in seconds since 1970. Raises redis.RedisError or OSError when it does not answer in time."""
    seconds, micros = _client(timeout).time()
    return float(seconds) + float(micros) / 1e6


@cache
def _client(timeout: float) -> Redis:
    url = Storage.read().resolved_redis_url().replace("redis+socket://", "unix://")
    # A connection may only turn out to have ended when it is used; a message that is sent twice is harmless.
    once_more = Retry(NoBackoff(), 1)
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=once_more)
