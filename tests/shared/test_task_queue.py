"""Publishing: nobody waits for the broker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from celery.beat import Scheduler

from shared import task_queue
from shared.known_services import MOST, remember, service_of
from shared.moment import CLOCK_TOLERANCE, now
from shared.settings import Storage
from shared.task_application import make_celery
from shared.task_queue import RECONCILE_SECONDS, Publisher, described, kind_of, messages


def test_a_broker_that_hangs_holds_nobody_up_and_nothing_is_dropped() -> None:
    answers, done = Event(), Event()
    published: list[str] = []

    def slowly(work_ids: Sequence[str]) -> None:
        answers.wait(60)
        published.extend(work_ids)
        if len(published) == 3:
            done.set()

    publisher = Publisher(slowly)
    for work_id in ("a", "b", "c"):
        publisher.publish([work_id])
    assert published == [], "it returned before the broker answered"
    answers.set()
    assert done.wait(60)
    assert published == ["a", "b", "c"]


def test_more_than_it_can_hold_is_left_to_the_reconciler() -> None:
    answers, taken = Event(), Event()

    def hangs(_: Sequence[str]) -> None:
        taken.set()
        answers.wait(60)

    publisher = Publisher(hangs)
    publisher.publish(["first"])
    assert taken.wait(60)
    for number in range(task_queue.MOST_WAITING + 10):
        publisher.publish([str(number)])
    answers.set()


def test_the_kind_of_work_stands_in_its_id() -> None:
    assert kind_of("abc.1.gather.logs.loki") == "gather"


def test_the_sources_of_an_attempt_share_a_message() -> None:
    told = ["abc.1.gather.logs.loki", "abc.1.diagnose", "xyz.2.gather.logs.loki", "abc.1.gather.changes.git"]
    assert messages(told) == {
        "abc.1.gather": ["abc.1.gather.logs.loki", "abc.1.gather.changes.git"],
        "abc.1.diagnose": ["abc.1.diagnose"],
        "xyz.2.gather": ["xyz.2.gather.logs.loki"],
    }


def test_beat_goes_on_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Celery's own schedules go by the clock on the wall, and would be silent for three days."""
    celery = make_celery(Storage.read())
    entry = Scheduler(celery, lazy=True).Entry(**celery.conf.beat_schedule["reconcile"], name="reconcile", app=celery)
    steady = time.monotonic()
    monkeypatch.setattr(celery, "now", lambda: now() - timedelta(days=3))
    monkeypatch.setattr(time, "monotonic", lambda: steady + RECONCILE_SECONDS + 1)
    assert entry.is_due()[0]


def test_a_worker_whose_clock_is_ahead_takes_beats_messages() -> None:
    (entry,) = make_celery(Storage.read()).conf.beat_schedule.values()
    assert entry["options"]["expires"] >= CLOCK_TOLERANCE.total_seconds()


def test_a_message_is_described_for_people() -> None:
    remember("abc", "invoice-api")
    assert described(["abc.2.investigate"]) == "invoice-api: investigate, attempt 2"
    together = ["abc.1.gather.logs.loki", "abc.1.gather.changes.git"]
    assert described(together) == "invoice-api: gather logs.loki and changes.git, attempt 1"
    assert described(["unheard.1.diagnose"]) == "diagnose, attempt 1"


def test_what_a_service_calls_itself_does_no_harm_there() -> None:
    remember("abc", "<script>alert('x')</script>\n" + "x" * 100)
    told = described(["abc.1.diagnose"])
    assert set("<>'\n").isdisjoint(told)
    assert len(told) < 100


def test_only_so_many_services_are_remembered() -> None:
    for number in range(MOST + 5):
        remember(f"n{number}", "search")
    assert service_of("n4") is None
    assert service_of(f"n{MOST + 4}") == "search"


def test_threads_share_the_one_backend() -> None:
    app = make_celery(Storage(redis_url="redis://127.0.0.1:1/0"))
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(lambda: app.backend).result()
    assert theirs is app.backend
