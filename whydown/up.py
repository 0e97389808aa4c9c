"""Everything on one machine: the embedded queue, the database, the receiver, a worker, beat and Flower."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from shared.errors import WhydownError
from shared.settings import Address, Storage
from webhook.settings import Access
from whydown import embedded_queue
from whydown.client import Client
from whydown.processes import flower_login
from whydown.supervision import Program, StopRequested, Supervisor

_HOST: Final = "127.0.0.1"
_FLOWER_PORT: Final = 5555
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything is kept, and what its processes see."""

    storage: Storage
    port: int
    environment: Mapping[str, str]
    folder: Path
    """The processes' working directory, where they look for `.env`."""

    @property
    def url(self) -> str:
        """The base URL on this machine."""
        return f"http://{_HOST}:{self.port}"

    def program(self, name: str, *command: str) -> Program:
        """A `whydown` command as a child process."""
        return Program(name, (sys.executable, "-m", "whydown", *command), self.environment, self.folder)


@dataclass(frozen=True, slots=True)
class Running:
    """An installation whose parts all answered."""

    supervisor: Supervisor
    flower_url: str
    flower_login: str


def run(port: int, data: Path | None) -> None:
    """Runs everything until a signal asks to end. Raises WhydownError when something does not start."""
    storage = Storage.read()
    storage = storage.model_copy(update={"data": (data or storage.data).absolute()})
    access = Access.read()
    environment = {**os.environ, "WHYDOWN_DATA": str(storage.data)}
    if Address.read().public_url is None:
        environment["WHYDOWN_PUBLIC_URL"] = f"http://{_HOST}:{port}"
    installation = Installation(storage, port, environment, Path.cwd())
    with suppress(StopRequested), locked(storage.data), running(installation) as site:
        print(_addresses(installation, site, access), flush=True)
        site.supervisor.watch()


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Makes the data folder, private to this user, and holds it. Raises WhydownError when another process does."""
    os.umask(0o077)
    data.mkdir(parents=True, exist_ok=True)
    folder = os.open(data, os.O_RDONLY)  # the folder itself: a lock file could be left behind
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WhydownError(f"Whydown already runs on {data}: end it first, or choose another with --data") from None
        yield
    finally:
        os.close(folder)


@contextmanager
def running(installation: Installation) -> Iterator[Running]:
    """Everything started, and ended when the block is left. Raises WhydownError when a part does not start, and
    StopRequested when a signal asks to end before all did.
    """
    storage = installation.storage
    _require_free(installation.port)
    try:
        with Supervisor(storage.data / "logs", _say) as supervisor:
            try:
                yield _start(installation, supervisor)
            finally:
                _say("stopping ...")
    finally:
        if storage.redis_url is None:
            embedded_queue.clean(storage)


def _start(installation: Installation, supervisor: Supervisor) -> Running:
    storage = installation.storage
    _say(f"starting; everything is kept in {storage.data}")
    if storage.redis_url is None:
        queue = Program("queue", embedded_queue.command(storage), installation.environment, installation.folder)
        process = supervisor.start(queue)
        _until(supervisor, "queue", lambda: embedded_queue.answering(storage.embedded_socket()) == process)
    supervisor.run(installation.program("migrate", "migrate"), _START_SECONDS)

    login, _ = flower_login(storage.data)
    flower_port = _free_port(_FLOWER_PORT)
    supervisor.start(installation.program("web", "web", "--host", _HOST, "--port", str(installation.port)))
    supervisor.start(installation.program("worker", "worker"))
    supervisor.start(installation.program("beat", "beat"))
    flower = installation.program("flower", "flower", "--port", str(flower_port))
    supervisor.start(replace(flower, environment={**flower.environment, "WHYDOWN_FLOWER_AUTH": login}))
    client = Client(installation.url)
    _until(supervisor, "web", lambda: client.answers("/readyz"))
    _until(supervisor, "worker", lambda: _worker_answers(storage))
    _until(supervisor, "flower", lambda: not _is_free(flower_port))
    supervisor.settled()
    return Running(supervisor, f"http://{_HOST}:{flower_port}", login)


def _until(supervisor: Supervisor, name: str, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not answers():
        supervisor.pause(_POLL_SECONDS)
        if time.monotonic() > deadline:
            raise WhydownError(f"{name} runs, but does not answer after {_START_SECONDS:g} s: look into its log")


def _worker_answers(storage: Storage) -> bool:
    from shared.task_application import make_celery  # noqa: PLC0415 - imported while the children do the same

    return bool(make_celery(storage).control.ping(timeout=0.5))


def _require_free(port: int) -> None:
    if not _is_free(port):
        raise WhydownError(f"port {port} is in use: choose another with --port")


def _free_port(first: int) -> int:
    return next(port for port in range(first, first + 100) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as failure:
            if failure.errno == errno.EADDRINUSE:
                return False
            raise WhydownError(f"port {port} cannot be used ({failure.strerror}): choose another with --port") from None
    return True


def _addresses(installation: Installation, site: Running, access: Access) -> str:
    url = installation.url
    token = "as set in WHYDOWN_API_TOKEN" if access.api_token else "none needed on this machine"
    return f"""
Whydown is up. Ctrl-C ends all of it.

  incidents      {url}/incidents
  API            {url}/docs   token: {token}
  Alertmanager   {url}/webhook/alertmanager
  Grafana        {url}/webhook/grafana
  anything else  {url}/webhook/alert
  Flower         {site.flower_url}   login: {site.flower_login}
  kept in        {installation.storage.data}
"""


def _say(line: str) -> None:
    print(f"whydown: {line}", flush=True)
