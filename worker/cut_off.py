"""A total deadline for calls over HTTP: what `requests` itself does not offer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shared.moment import Deadline


@contextmanager
def cut_off(session: requests.Session, deadline: Deadline) -> Iterator[None]:
    """Shuts the session's connections when the deadline passes: timeouts are per read, and a server that sends its
    headers byte by byte would hold the caller for ever.
    """
    connections: list[HTTPConnection] = []

    def remembered(kind: type[HTTPConnection]) -> Any:
        class Remembered(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                connections.append(self)
                super().connect()

        return Remembered

    class Plain(HTTPConnectionPool):
        ConnectionCls = remembered(HTTPConnection)

    class Secure(HTTPSConnectionPool):
        ConnectionCls = remembered(HTTPSConnection)

    for adapter in session.adapters.values():
        adapter.poolmanager.pool_classes_by_scheme = {"http": Plain, "https": Secure}  # type: ignore[attr-defined]

    def shut() -> None:
        for connection in connections:
            with suppress(OSError):
                if connection.sock is not None:
                    connection.sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(deadline.remaining(), shut)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
