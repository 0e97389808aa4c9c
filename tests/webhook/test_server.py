"""The receiver as it runs: real gunicorn processes on a real port."""

from __future__ import annotations

import http.client
import json
import logging
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from shared import schema
from shared.database import Database
from shared.errors import ConfigurationError
from tests.webhook.receivers import ALERT, API_TOKEN, WEBHOOK_TOKEN
from tests.whydown.processes_seen import eventually
from webhook import server
from webhook.body import MAX_BYTES

ROOT = Path(__file__).parents[2]


@dataclass
class Running:
    """A receiver that runs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
        """One request; the answer is read."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """Two processes of the receiver on a database of their own."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    database = Database(url)
    schema.upgrade(database)
    database.close()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHYDOWN_", "GUNICORN"))}
    environment = kept | {
        "PYTHONPATH": str(ROOT),
        "WHYDOWN_DATABASE_URL": url,
        "WHYDOWN_DATA": str(tmp_path),
        "WHYDOWN_API_TOKEN": API_TOKEN,
        "WHYDOWN_WEBHOOK_TOKEN": WEBHOOK_TOKEN,
        "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1",
    }
    log = tmp_path / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", f"from webhook.server import serve; serve('127.0.0.1', {port})"],
            env=environment,
            cwd=tmp_path,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    found = Running(process, port, log)
    try:
        _wait(found)
        yield found
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(running: Running) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.process.poll() is None:
        try:
            if running.ask("GET", "/healthz").status == 200:
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"the receiver did not start:\n{running.log.read_text()}")


def test_it_takes_alerts_in_logs_no_token_and_ends_when_told(running: Running) -> None:
    body = json.dumps(ALERT).encode()
    answer = running.ask("POST", f"/webhook/alert?token={WEBHOOK_TOKEN}", body)
    assert answer.status == 202
    assert answer.headers["Connection"] == "close"
    page = running.ask("GET", f"/incidents?token={API_TOKEN}", Accept="text/html", Referer=f"/?token={API_TOKEN}")
    assert page.status == 303
    os.kill(running.process.pid, signal.SIGTERM)
    assert running.process.wait(timeout=30) == 0
    log = running.log.read_text()
    assert '"POST /webhook/alert" 202' in log
    assert WEBHOOK_TOKEN not in log
    assert API_TOKEN not in log


def test_an_address_writes_no_line_of_its_own_into_the_log(running: Running) -> None:
    assert running.ask("GET", "/nowhere%0Aforged%0D%1B[2Kline").status in (401, 404)
    assert eventually(lambda: "/nowhere" in running.log.read_text())
    assert not any(line.startswith("forged") for line in running.log.read_text().splitlines())
    assert "\x1b" not in running.log.read_text()


def test_whoever_is_refused_gets_to_read_why(running: Running) -> None:
    large = b" " * (MAX_BYTES * 4)
    token = f"Bearer {WEBHOOK_TOKEN}"
    assert running.ask("POST", "/webhook/alert", large, Authorization=token).status == 413
    assert running.ask("POST", "/webhook/alert", large).status == 401
    chunked = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    chunked.request(
        "POST", "/webhook/alert", iter([large]), {"Authorization": token, "Content-Type": "application/json"}
    )
    assert chunked.getresponse().status == 413
    chunked.close()


def test_many_connections_at_once_are_all_answered(running: Running) -> None:
    request = (
        f"POST /webhook/alert HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {WEBHOOK_TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    with ExitStack() as opened:
        address = ("127.0.0.1", running.port)
        # None closes before all are answered, as clients do that wait for a whole group.
        connections = [opened.enter_context(socket.create_connection(address, timeout=60)) for _ in range(200)]
        for number, connection in enumerate(connections):
            body = json.dumps({**ALERT, "serviceName": f"service-{number}"})
            connection.sendall((request.format(length=len(body)) + body).encode())
        answers = [connection.recv(65536) for connection in connections]
    assert all(answer.startswith(b"HTTP/1.1 202") for answer in answers)


@pytest.mark.skipif(not psutil.LINUX, reason="needs Linux's account of shared memory")
def test_its_processes_share_the_application(running: Running) -> None:
    token = f"Bearer {API_TOKEN}"
    assert all(running.ask("GET", "/incidents", Authorization=token).status == 200 for _ in range(8))
    first = psutil.Process(running.process.pid)
    assert eventually(lambda: len(first.children()) == 2)
    for memory in (child.memory_full_info() for child in first.children()):
        assert memory.uss < 0.5 * memory.rss, "each would have all of it to itself if it were loaded after the fork"


def test_with_one_for_each_core_a_process_stays_on_its_own_and_so_does_the_next_in_its_place(running: Running) -> None:
    if not psutil.LINUX:
        pytest.skip("needs a system that lets itself be told where to run a process")
    cores = sorted(os.sched_getaffinity(0))
    allowed = sorted([core] for core in cores) if len(cores) == 2 else [cores] * 2
    arbiter = psutil.Process(running.process.pid)
    assert running.ask("GET", "/healthz").status == 200
    assert eventually(lambda: sorted(each.cpu_affinity() for each in arbiter.children()) == allowed)
    second = arbiter.children()[1]
    second.kill()
    assert eventually(lambda: len(arbiter.children()) == 2 and second not in arbiter.children())
    assert eventually(lambda: sorted(each.cpu_affinity() for each in arbiter.children()) == allowed)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=30)
        served, _ = listener.accept()
    with served, client:
        yield served, client


def test_a_client_that_does_not_close_leaves_nothing_to_wait_for(pair: tuple[socket.socket, socket.socket]) -> None:
    served, client = pair
    served.sendall(b"answer")
    server.end(served)
    # What gunicorn waits for afterwards, on the thread that accepts the others.
    served.settimeout(30)
    assert served.recv(1) == b""
    assert (client.recv(10), client.recv(10)) == (b"answer", b"")


def test_what_a_client_still_sent_does_not_cost_it_the_answer(pair: tuple[socket.socket, socket.socket]) -> None:
    served, client = pair
    client.sendall(b"x" * 1000)
    client.shutdown(socket.SHUT_WR)
    served.sendall(b"answer")
    server.end(served)
    assert (client.recv(10), client.recv(10)) == (b"answer", b"")
    assert served.fileno() == -1


def test_a_client_that_has_gone_is_no_trouble(pair: tuple[socket.socket, socket.socket]) -> None:
    served, client = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    server.end(served)
    served.close()
    server.end(served)


def test_it_refuses_to_let_others_in_without_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHYDOWN_API_TOKEN", "WHYDOWN_WEBHOOK_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="WHYDOWN_API_TOKEN"):
        server.serve("0.0.0.0", 1)  # noqa: S104 - refused


def test_addresses_that_gunicorn_logs_lose_their_token() -> None:
    record = logging.LogRecord(
        "gunicorn.error", logging.ERROR, "", 0, "failed %s %s", ("POST", "/x?a=1&token=abc&b=2"), None
    )
    assert server.without_token(record)
    assert record.getMessage() == "failed POST /x?a=1&token=********&b=2"
