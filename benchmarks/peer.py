"""Alerta (https://docs.alerta.io) on PostgreSQL, which takes Alertmanager's webhooks in and stores them, as a peer."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests

from benchmarks.receiving import Receiver, gunicorn, running, until
from tests.installation import free_port
from tests.postgres import PostgresServer

PACKAGES: Final = ("alerta-server==9.1.0", "psycopg2-binary", "gunicorn")
INSTALL_SECONDS: Final = 300


class Unavailable(Exception):
    """Why it does not run beside ours."""


@contextmanager
def alerta(folder: Path) -> Iterator[Receiver]:
    """Alerta behind gunicorn, with as many processes and threads as the others, ready. Raises Unavailable."""
    python = _installed()
    with PostgresServer(folder / "peer-postgres") as postgres:
        database = postgres.url().replace("+psycopg", "")
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            "DATABASE_URL": database,
            "DATABASE_NAME": "postgres",
            "ALERTA_SVR_CONF_FILE": os.devnull,
            "SECRET_KEY": "of no use to anybody",
            "AUTH_REQUIRED": "false",
        }
        log = folder / "alerta.log"
        # Its processes make its tables when they start, and would get in each other's way.
        tables = (str(python), "-c", "import alerta; alerta.create_app()")
        try:
            subprocess.run(tables, env=environment, cwd=folder, check=True, capture_output=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as failure:
            raise Unavailable(f"it made no tables: {failure}") from None
        with running(gunicorn(str(python), "alerta:create_app()", port), log, environment) as process:
            try:
                until(lambda: requests.get(f"http://127.0.0.1:{port}/_", timeout=5).ok, log)
            except TimeoutError as failure:
                raise Unavailable(str(failure)) from None
            yield Receiver("alerta", port, "/webhooks/prometheus", process, database)


def _installed() -> Path:
    """The interpreter of a virtual environment that has it, made on first use and kept for the next."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whydown-benchmarks" / PACKAGES[0]
    python = cache / "bin" / "python"
    if not (cache / "complete").exists():
        try:
            venv.create(cache, clear=True, with_pip=True)
            install = (str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
            subprocess.run(install, check=True, stdout=sys.stderr, timeout=INSTALL_SECONDS)
        except (OSError, subprocess.SubprocessError) as failure:
            raise Unavailable(f"it could not be installed: {failure}") from None
        (cache / "complete").touch()
    return python
