"""Whydown's real parts as child processes of a test: queue, receiver, workers, on a folder of the test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from shared.settings import Storage
from whydown import embedded_queue

REPOSITORY = Path(__file__).parent.parent
PATIENCE_SECONDS = 60.0
"""How long a test waits before it gives up: a bound for a broken run, not an expectation."""


class Installation:
    """The parts, started one by one, each in a process group of its own, and all ended together."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        """`settings` are environment variables beyond the data folder; nothing of this process's own settings is
        passed on.
        """
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("WHYDOWN_", "OPENAI_", "GITHUB_"))
        }
        self.environment = {**kept, "PYTHONPATH": str(REPOSITORY), "WHYDOWN_DATA": str(folder), **settings}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for name in list(self.processes):
            self.kill(name)
        embedded_queue.clean(self.storage)

    @property
    def storage(self) -> Storage:
        """Its storage settings."""
        return Storage(data=self.folder, database_url=self.environment.get("WHYDOWN_DATABASE_URL"))

    def start_queue(self) -> None:
        """The embedded queue."""
        self._spawn("queue", *embedded_queue.command(self.storage))
        until(lambda: embedded_queue.answering(self.storage.embedded_socket()), "the queue answers")

    def migrate(self) -> None:
        """Brings the database up to date."""
        subprocess.run(
            [sys.executable, "-m", "whydown", "migrate"],
            env=self.environment,
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def start_web(self) -> None:
        """The receiver, on `url`."""
        self._spawn("web", sys.executable, "-m", "whydown", "web", "--port", str(self.port))
        until(self._ready, "the receiver is ready")

    def start_worker(self, name: str = "worker") -> None:
        """One worker process."""
        self._spawn(name, sys.executable, "-m", "whydown", "worker")

    def start_beat(self) -> None:
        """The scheduler of the reconciler."""
        self._spawn("beat", sys.executable, "-m", "whydown", "beat")

    def start_flower(self, port: int) -> None:
        """Flower, on that port."""
        self._spawn("flower", sys.executable, "-m", "whydown", "flower", "--port", str(port))

    def start(self) -> Self:
        """Everything that an incident needs."""
        self.start_queue()
        self.migrate()
        self.start_web()
        self.start_worker()
        return self

    def kill(self, name: str) -> None:
        """SIGKILL to a part and whatever it started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def get(self, path: str, **options: Any) -> requests.Response:
        """GET from the receiver."""
        return requests.get(self.url + path, timeout=PATIENCE_SECONDS, **options)

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        """POST JSON to the receiver."""
        return requests.post(self.url + path, json=body, timeout=PATIENCE_SECONDS, **options)

    def finished(self, incident_id: str) -> dict[str, Any]:
        """The incident's document once it is finished."""

        def document() -> dict[str, Any] | None:
            found: dict[str, Any] = self.get(f"/incidents/{incident_id}").json()
            return found if found["finishedAt"] else None

        finished: dict[str, Any] = until(document, f"incident {incident_id} finishes", self.logs)
        return finished

    def logs(self) -> str:
        """The end of every part's log, for a failure's message."""
        return "\n".join(
            f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in self.folder.glob("*.log")
        )

    def _ready(self) -> bool:
        try:
            return self.get("/readyz").ok
        except requests.ConnectionError:
            return False

    def _spawn(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )


def until(look: Callable[[], Any], what: str, explain: Callable[[], str] = lambda: "") -> Any:
    """The first truthy answer of `look`. Raises AssertionError when none comes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited in vain until {what}\n{explain()}")


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
