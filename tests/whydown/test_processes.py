"""The parts as processes: how a worker ends, and that Flower is closed."""

from __future__ import annotations

import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from redis import Redis

from shared.task_application import make_celery
from tests.installation import PATIENCE_SECONDS, Installation, free_port, until
from whydown.processes import flower_login

STUCK_WORKER = """
import time
from shared.task_application import celery_app
from whydown import processes

@celery_app.task(name="stuck")
def stuck():
    print("begun", flush=True)
    time.sleep(600)

processes._FINISH_SECONDS = 0.2
processes.run_worker()
"""


@pytest.fixture
def installation() -> Iterator[Installation]:
    # pytest's own folders are too deep for a socket's path on some machines.
    with tempfile.TemporaryDirectory(prefix="wd") as folder, Installation(Path(folder), {}) as installation:
        installation.start_queue()
        installation.migrate()
        yield installation


def test_a_worker_ends_within_its_bound_whatever_its_threads_do(installation: Installation) -> None:
    installation._spawn("worker", sys.executable, "-c", STUCK_WORKER)
    make_celery(installation.storage).send_task("stuck")
    log = installation.folder / "worker.log"
    until(lambda: "begun" in log.read_text(), "the task begins", installation.logs)
    worker = installation.processes["worker"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE_SECONDS) == 0
    with Redis(unix_socket_path=str(installation.storage.embedded_socket())) as client:
        assert client.hlen("unacked") + client.llen("whydown") == 1, "the message must not be acknowledged"


def test_a_worker_with_nothing_to_do_ends_at_once(installation: Installation) -> None:
    installation.start_worker()
    celery = make_celery(installation.storage)
    until(lambda: celery.control.ping(timeout=0.5), "the worker answers", installation.logs)
    worker = installation.processes["worker"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=PATIENCE_SECONDS) == 0


def test_flower_makes_a_login_and_lets_nobody_in_without_it(installation: Installation) -> None:
    port = free_port()
    installation.environment |= {"FLOWER_UNAUTHENTICATED_API": "true", "FLOWER_BASIC_AUTH": "other:login"}
    (installation.folder / "flowerconfig.py").write_text("raise SystemExit('a file of the working directory was run')")
    installation._spawn("flower", sys.executable, "-m", "whydown", "flower", "--port", str(port))
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{url}/healthcheck", timeout=PATIENCE_SECONDS).ok
        except requests.ConnectionError:
            return False

    until(answers, "Flower answers", installation.logs)
    login = (installation.folder / "flower-login").read_text()
    assert f"Flower on {url}  login {login}" in (installation.folder / "flower.log").read_text()
    for path in ("/", "/tasks", "/task/1", "/broker", "/api/workers", "/api/tasks", "/tasks/datatable"):
        assert requests.get(url + path, timeout=PATIENCE_SECONDS).status_code == 401, path
    assert requests.get(f"{url}/tasks", auth=("other", "login"), timeout=PATIENCE_SECONDS).status_code == 401
    user, _, password = login.partition(":")
    assert requests.get(f"{url}/tasks", auth=(user, password), timeout=PATIENCE_SECONDS).ok


def test_a_made_login_is_private_and_stays(tmp_path: Path) -> None:
    assert flower_login(tmp_path) == flower_login(tmp_path)
    assert stat.S_IMODE((tmp_path / "flower-login").stat().st_mode) == 0o600


def test_a_given_login_is_taken_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYDOWN_FLOWER_AUTH", "me:hunter2")
    assert flower_login(tmp_path) == ("me:hunter2", False)
    assert list(tmp_path.iterdir()) == []
