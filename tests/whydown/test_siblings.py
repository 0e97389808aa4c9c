"""`whydown worker` with several processes: all work, and none outlives the others."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from shared.task_application import make_celery
from tests.installation import PATIENCE_SECONDS, Installation, until
from tests.whydown.processes_seen import eventually
from tests.whydown.test_processes import STUCK_WORKER

PROCESSES = 3


@pytest.fixture
def installation() -> Iterator[Installation]:
    # pytest's own folders are too deep for a socket's path on some machines.
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        settings = {"WHYDOWN_WORKER_PROCESSES": str(PROCESSES), "WHYDOWN_WORKER_CONCURRENCY": "1"}
        with Installation(Path(folder), settings) as installation:
            installation.start_queue()
            installation.migrate()
            yield installation


@pytest.fixture
def workers(installation: Installation) -> list[psutil.Process]:
    """All of one command, the first of them first, once each answers Celery."""
    installation.start_worker()
    celery = make_celery(installation.storage)
    until(lambda: len(celery.control.ping(timeout=1)) == PROCESSES, "all of them answer", installation.logs)
    first = psutil.Process(installation.processes["worker"].pid)
    return [first, *first.children()]


def test_told_to_end_all_of_them_do(installation: Installation, workers: list[psutil.Process]) -> None:
    assert len(workers) == PROCESSES
    workers[0].send_signal(signal.SIGTERM)
    assert installation.processes["worker"].wait(timeout=PATIENCE_SECONDS) == 0
    assert not any(worker.is_running() for worker in workers)


def test_they_share_what_they_imported(workers: list[psutil.Process]) -> None:
    if not psutil.LINUX:
        pytest.skip("needs Linux's account of shared memory")
    for memory in (worker.memory_full_info() for worker in workers):
        assert memory.uss < 0.6 * memory.rss


def test_with_one_for_each_core_each_stays_on_its_own(workers: list[psutil.Process]) -> None:
    if not psutil.LINUX:
        pytest.skip("needs a system that lets itself be told where to run a process")
    cores = sorted(os.sched_getaffinity(0))
    enough = len(cores) <= PROCESSES
    allowed = [[cores[number % len(cores)]] if enough else cores for number in range(PROCESSES)]
    assert sorted(worker.cpu_affinity() for worker in workers) == sorted(allowed)


def test_one_that_dies_ends_the_command_with_an_error(
    installation: Installation, workers: list[psutil.Process]
) -> None:
    workers[1].kill()
    assert installation.processes["worker"].wait(timeout=PATIENCE_SECONDS) == 1
    assert not any(worker.is_running() for worker in workers)
    assert f'"process": {workers[1].pid}, "status": -9' in (installation.folder / "worker.log").read_text()


def test_none_outlives_the_first(workers: list[psutil.Process]) -> None:
    workers[0].kill()
    assert eventually(lambda: not any(worker.is_running() for worker in workers[1:]))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGQUIT])
def test_all_end_within_the_bound_whatever_their_threads_do(installation: Installation, how: signal.Signals) -> None:
    bound = "_FINISH_SECONDS = 0.2" if how == signal.SIGTERM else "_FINISH_SECONDS = 600"
    installation._spawn("worker", sys.executable, "-c", STUCK_WORKER.replace("_FINISH_SECONDS = 0.2", bound))
    celery, log = make_celery(installation.storage), installation.folder / "worker.log"
    most = PROCESSES * 2  # two threads each
    for _ in range(most):
        celery.send_task("stuck")
    until(lambda: log.read_text().count("begun") == most, "every thread has begun one", installation.logs)
    first = installation.processes["worker"]
    others = psutil.Process(first.pid).children()
    first.send_signal(signal.SIGTERM)
    if how == signal.SIGQUIT:
        until(lambda: "Warm shutdown" in log.read_text(), "it has heard", installation.logs)
        first.send_signal(how)
    assert first.wait(timeout=PATIENCE_SECONDS) == 0
    assert not any(other.is_running() for other in others)
    with Redis(unix_socket_path=str(installation.storage.embedded_socket())) as client:
        assert client.hlen("unacked") + client.llen("whydown") == most, "no message may be acknowledged"
