"""`whydown up` on a folder of its own: what it starts, what it says, and that nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
import requests

from tests.installation import REPOSITORY, free_port
from tests.whydown.processes_seen import eventually, mentioning
from tests.whydown.test_commands import whydown


@pytest.fixture
def data() -> Iterator[Path]:
    # pytest's own folders are too deep for a socket's path on some machines.
    with tempfile.TemporaryDirectory(prefix="wd") as folder:
        yield Path(folder) / "data"


@contextmanager
def up(data: Path, port: int, output: IO[str]) -> Iterator[subprocess.Popen[str]]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("WHYDOWN_", "OPENAI_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "whydown", "up", "--port", str(port), "--data", str(data)],
        cwd=data.parent,
        env={**plain, "PYTHONPATH": str(REPOSITORY)},
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def started(process: subprocess.Popen[str], output: Path) -> bool:
    return eventually(lambda: "Whydown is up" in output.read_text() or process.poll() is not None, seconds=90)


def test_everything_runs_and_everything_ends_and_it_goes_on_where_it_was(data: Path) -> None:
    output, port = data.parent / "output", free_port()
    url = f"http://127.0.0.1:{port}"
    with output.open("w") as file, up(data, port, file) as process:
        assert started(process, output)
        told = output.read_text()
        assert f"{url}/webhook/alertmanager" in told
        (flower, login) = re.findall(r"Flower +(\S+) +login: (\S+)", told)[0]
        assert requests.get(f"{flower}/tasks", timeout=10).status_code == 401
        assert requests.get(f"{flower}/tasks", timeout=10, auth=tuple(login.split(":"))).ok
        accepted = requests.post(f"{url}/analyze", json={"entityRef": "invoice-api"}, timeout=10)
        assert accepted.status_code == 202

        second = whydown("up", "--port", str(free_port()), "--data", str(data), folder=data.parent)
        assert second.returncode == 2
        assert "already runs on" in second.stderr

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert mentioning(str(data)) == []
    assert not (data / "queue.sock").exists()
    assert data.stat().st_mode & 0o077 == 0

    with output.open("w") as file, up(data, port, file) as process:
        assert started(process, output)
        assert re.findall(r"login: (\S+)", output.read_text()) == [login]
        listed = requests.get(f"{url}/incidents", headers={"Accept": "application/json"}, timeout=10).json()
        assert [incident["id"] for incident in listed["incidents"]] == [accepted.json()["incidents"][0]["id"]]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert mentioning(str(data)) == []


def test_killed_outright_it_takes_everything_along(data: Path) -> None:
    output = data.parent / "output"
    with output.open("w") as file, up(data, free_port(), file) as process:
        assert started(process, output)
        process.kill()
        assert eventually(lambda: mentioning(str(data)) == [])


def test_a_port_in_use_is_said_in_one_line(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = whydown("up", "--port", str(port), "--data", str(data), folder=data.parent)
    assert told.returncode == 2
    assert told.stderr == f"whydown: port {port} is in use: choose another with --port\n"
    assert mentioning(str(data)) == []


def test_a_part_that_does_not_start_ends_the_rest_and_shows_its_log(data: Path) -> None:
    (data.parent / ".env").write_text(
        "WHYDOWN_CATALOG=/nonexistent/folder\nWHYDOWN_DATABASE_URL=postgresql://127.0.0.1:1/x\n"
    )
    told = whydown("up", "--port", str(free_port()), "--data", str(data), folder=data.parent)
    assert told.returncode == 2
    assert "migrate ended (exit status 2) instead of starting" in told.stderr
    assert "the database could not be migrated" in told.stderr
    assert mentioning(str(data)) == []
    assert not (data / "queue.sock").exists()
