"""The queue: how work travels. A message holds the id of a row of work only; losing it costs time, never work."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import cache
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import Final

import structlog
from celery import Celery
from celery.schedules import schedule
from kombu.transport import TRANSPORT_ALIASES
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared import task_messages, tracing
from shared.known_services import service_of
from shared.moment import CLOCK_TOLERANCE
from shared.settings import Storage
from shared.task_messages import Task

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

# A Redis that accepts connections and never answers would block a publisher for ever without these.
_TRANSPORT: Final = {
    "visibility_timeout": 3600,
    "max_connections": 1000,
    "socket_timeout": 2,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
}


def _unset_clock() -> datetime:
    """The time for beat's schedule, from a clock that nobody sets: by the one on the wall it would wait for days when
    that one is set back by days.
    """
    return datetime.fromtimestamp(time.monotonic(), UTC)


def make_celery(storage: Storage) -> Celery:
    """The Celery application on the configured broker; why it is set so: docs/decisions/0002-task-graph.md."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "shared.queue_transport:Transport"))
    app = Celery("whydown", include=["worker.tasks"], events="shared.task_events:Events")
    app.conf.update(
        broker_url=storage.resolved_redis_url(),
        broker_transport_options=_TRANSPORT,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_default_queue=QUEUE,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        # There is none; without this each thread looks through all that is installed for one.
        result_backend_thread_safe=True,
        task_track_started=True,
        task_send_sent_event=True,
        worker_send_task_events=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.2},
        accept_content=["json"],
        task_serializer="json",
        enable_utc=True,
        beat_schedule={
            "reconcile": {
                "task": RECONCILE,
                "schedule": schedule(RECONCILE_SECONDS, nowfun=_unset_clock),
                # Nobody needs a heap of overdue ones when workers come back; but to a worker whose clock is ahead of
                # beat's not all of them must be overdue.
                "options": {"expires": CLOCK_TOLERANCE.total_seconds()},
            }
        },
    )
    return app


celery_app = make_celery(Storage.read())


def publish(work_ids: Sequence[str]) -> None:
    """Tells the workers about rows of work, all in one round trip. Bounded in time and never raises: the reconciler
    publishes again what was not taken up.
    """
    if not work_ids:
        return
    tasks = [_task(task_id, args) for task_id, args in messages(work_ids).items()]
    try:
        with ExitStack() as spans:
            for task in tasks:
                incident = task.id.partition(".")[0]
                messaging = {"messaging__system": "redis", "messaging__message__id": task.id}
                spans.enter_context(tracing.span(f"publish {task.name}", incident, "producer", **messaging))
            _send(tasks)
    except (RedisError, OSError) as failure:
        _log.warning("publish_failed", work=len(work_ids), reason=type(failure).__name__)


def _task(task_id: str, args: list[str]) -> Task:
    """The task's id begins with the incident's: an operator finds it so in Flower."""
    parent = celery_app.current_worker_task
    told_by = parent.request if parent else None
    return Task(
        task_id,
        TASKS[kind_of(task_id)],
        args,
        described(args),
        root_id=told_by and (told_by.root_id or told_by.id),
        parent_id=told_by and told_by.id,
    )


def _send(tasks: Sequence[Task]) -> None:
    client = _client(2.0)
    database = client.connection_pool.connection_kwargs.get("db") or 0
    events = task_messages.sent_events(tasks, QUEUE, celery_app.clock.forward())
    with client.pipeline(transaction=False) as together:
        together.lpush(QUEUE, *(task_messages.message(task, QUEUE) for task in tasks))
        together.publish(task_messages.sent_channel(database), events)
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
    url = str(celery_app.conf.broker_url).replace("redis+socket://", "unix://")
    # A connection may only turn out to have ended when it is used; a message that is sent twice is harmless.
    once_more = Retry(NoBackoff(), 1)
    return Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=once_more)
