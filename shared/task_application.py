"""The Celery application of those who do tasks, look at them or send them by the clock. Who only tells of work needs
`shared.task_queue` alone, and none of what Celery takes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from celery import Celery
from celery.schedules import schedule
from kombu.transport import TRANSPORT_ALIASES

from shared import task_queue
from shared.moment import CLOCK_TOLERANCE
from shared.settings import Storage
from shared.task_messages import Origin
from shared.task_queue import QUEUE, RECONCILE, RECONCILE_SECONDS

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
    """As `task_queue.publish`, from within a worker: Flower shows which task told of which."""
    if not work_ids:
        return
    parent = celery_app.current_worker_task
    told_by = parent.request if parent else None
    task_queue.publish(
        work_ids,
        Origin(
            celery_app.clock.forward(),
            root_id=told_by and (told_by.root_id or told_by.id),
            parent_id=told_by and told_by.id,
        ),
    )
