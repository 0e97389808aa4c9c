"""A receiver under test beside a floor: each with a database and a Redis of its own, all as child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import requests
from redis import Redis, RedisError

from benchmarks import floor
from benchmarks.production import Engine, redis_command
from tests.installation import REPOSITORY, free_port
from tests.postgres import PostgresServer

WEB_WORKERS: Final = 2
WEB_THREADS: Final = 8
START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How long a comparison runs."""

    rounds: int
    seconds: float
    """Of each side in each round."""


@dataclass(frozen=True)
class Receiver:
    """One server that takes alerts in."""

    name: str
    port: int
    path: str
    process: subprocess.Popen[bytes]
    database: str
    """URL for SQLAlchemy, or the floor's own name for it."""

    def cpu_seconds(self) -> float:
        """What its processes have used of the processors until now, user and system."""
        parent = psutil.Process(self.process.pid)
        times = [each.cpu_times() for each in (parent, *parent.children(recursive=True))]
        return sum(each.user + each.system for each in times)


@contextmanager
def side_by_side(
    engine: Engine, folder: Path, settings: Mapping[str, str] | None = None
) -> Iterator[dict[str, Receiver]]:
    """Whydown's receiver (`ours`, with more `settings` if need be) and the bare one (`floor`), both ready, with as many
    processes and threads. Leaving ends both.
    """
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer(folder / "postgres")) if engine == "postgresql" else None
        if postgres is not None:
            postgres.create("whydown")
            postgres.create("floor")
        ours = postgres.url("whydown") if postgres else f"sqlite:///{folder / 'whydown.db'}"
        bare = postgres.url("floor").replace("+psycopg", "") if postgres else str(folder / "floor.db")
        floor.create_table(bare)
        queue = stack.enter_context(redis(folder))
        yield {
            "ours": stack.enter_context(_whydown(folder, ours, queue, settings or {})),
            "floor": stack.enter_context(_floor(folder, bare, queue)),
        }


@contextmanager
def redis(folder: Path) -> Iterator[int]:
    """A Redis that keeps nothing on disk; its port."""
    port = free_port()
    with running(redis_command(port, folder), folder / "redis.log", os.environ):
        until(lambda: bool(Redis(port=port).ping()), folder / "redis.log")
        yield port


def environment(**more: str) -> dict[str, str]:
    """This process's own, without Whydown's settings in it, and `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WHYDOWN_", "OPENAI_"))}
    return {**kept, "PYTHONPATH": str(REPOSITORY), **more}


@contextmanager
def running(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process with its children, ended for good when the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=log.parent,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _whydown(folder: Path, database: str, queue: int, settings: Mapping[str, str]) -> Iterator[Receiver]:
    own = environment(
        WHYDOWN_DATA=str(folder),
        WHYDOWN_DATABASE_URL=database,
        WHYDOWN_REDIS_URL=f"redis://127.0.0.1:{queue}/0",
        WHYDOWN_WEB_WORKERS=str(WEB_WORKERS),
        WHYDOWN_WEB_THREADS=str(WEB_THREADS),
        **settings,
    )
    whydown = (sys.executable, "-m", "whydown")
    subprocess.run([*whydown, "migrate"], env=own, cwd=folder, check=True, capture_output=True)
    port = free_port()
    with running((*whydown, "web", "--port", str(port)), folder / "whydown.log", own) as process:
        until(lambda: requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok, folder / "whydown.log")
        yield Receiver("ours", port, "/webhook/alertmanager", process, database)


@contextmanager
def _floor(folder: Path, database: str, queue: int) -> Iterator[Receiver]:
    own = environment(FLOOR_DATABASE=database, FLOOR_REDIS=str(queue))
    port = free_port()
    with running(floor_command(port), folder / "floor.log", own) as process:
        until(lambda: requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok, folder / "floor.log")
        yield Receiver("floor", port, "/alerts", process, database)


def floor_command(port: int) -> tuple[str, ...]:
    """The bare receiver."""
    return gunicorn(sys.executable, "benchmarks.floor:app", port)


def gunicorn(python: str, application: str, port: int) -> tuple[str, ...]:
    """gunicorn with as many processes and threads as Whydown's receiver, and set up like it for a burst."""
    options = {
        "bind": f"127.0.0.1:{port}",
        "worker-class": "gthread",
        "workers": str(WEB_WORKERS),
        "threads": str(WEB_THREADS),
        "keep-alive": "0",
        "backlog": "2048",
        "worker-connections": "2048",
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    return (python, "-m", "gunicorn", "--no-control-socket", *flags, application)


def until(look: Callable[[], bool], log: Path) -> None:
    """Returns once it is so. Raises TimeoutError, with the end of the log, when that takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(requests.RequestException, RedisError):
            if look():
                return
        time.sleep(0.05)
    raise TimeoutError(f"it did not start:\n{log.read_text(errors='replace')[-3000:]}")
