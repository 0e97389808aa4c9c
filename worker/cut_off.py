"""A total deadline for calls over HTTP: what urllib3 itself does not offer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, cast

from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shared.moment import Deadline


def noting(connections: PoolManager) -> PoolManager:
    """`connections`, made so that a call on them can be cut off."""
    connections.pool_classes_by_scheme = _NOTING
    return connections


@contextmanager
def cut_off(deadline: Deadline) -> Iterator[None]:
    """Shuts the connection of this thread's call when the deadline passes. It has to be a `noting` one."""
    with watched(deadline) as call:
        _here.call = call
        try:
            yield
        finally:
            _here.call = None


@contextmanager
def watched(deadline: Deadline) -> Iterator[Call]:
    """Shuts the connections that the call is given when the deadline passes: timeouts are per read, and a server that
    sends its headers byte by byte would hold the caller for ever.
    """
    call = Call()
    with at_deadline(deadline, call.shut):
        yield call


def at_deadline(deadline: Deadline, act: Callable[[], None]) -> AbstractContextManager[None]:
    """Has `act` done when the deadline passes, unless the block has ended before."""
    return _alarm.set(deadline.at, act)


@dataclass(slots=True)
class Call:
    """The connections that one call uses."""

    _connections: list[Connection] = field(default_factory=list)

    def uses(self, connection: Connection) -> None:
        """Takes a connection over, from whichever call used it before."""
        connection.call = self
        self._connections.append(connection)

    def shut(self) -> None:
        """Ends whatever the call waits for."""
        for connection in self._connections:
            if connection.call is self and connection.sock is not None:
                with suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)


_here = threading.local()


class Connection(HTTPConnection):
    """A connection that knows which call it serves."""

    call: Call | None = None

    def connect(self) -> None:
        """As urllib3 does."""
        self._note()
        super().connect()

    def request(self, *arguments: Any, **options: Any) -> None:
        """As urllib3 does."""
        self._note()
        super().request(*arguments, **options)

    def _note(self) -> None:
        call: Call | None = getattr(_here, "call", None)
        if call is not None and self.call is not call:
            call.uses(self)


class _SecureConnection(Connection, HTTPSConnection):
    pass


class Connections(HTTPConnectionPool):
    """The kept connections to one server, also for use without urllib3's own way to send."""

    ConnectionCls = Connection

    def taken(self) -> Connection:
        """A connection that nobody uses: kept, or a new one that is not open yet."""
        return cast("Connection", self._get_conn())

    def given_back(self, connection: Connection) -> None:
        """Keeps a connection for the next call."""
        self._put_conn(connection)


class _SecureConnections(Connections, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_NOTING: Final[dict[str, Any]] = {"http": Connections, "https": _SecureConnections}


class _Alarm:
    """One thread that acts at deadlines, for all calls of the process: a timer of its own for each costs a thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._set: list[tuple[float, int]] = []
        """A heap. What is no longer awaited stays in it until its time has come."""
        self._awaited: dict[int, Callable[[], None]] = {}
        self._numbers = count()
        self._thread: threading.Thread | None = None

    @contextmanager
    def set(self, at: float, act: Callable[[], None]) -> Iterator[None]:
        """Calls `act` at that moment of the monotonic clock, unless the block has ended before."""
        number = next(self._numbers)
        with self._changed:
            self._awaited[number] = act
            heappush(self._set, (at, number))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="deadlines", daemon=True)
                self._thread.start()
            elif self._set[0][1] == number:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._awaited.pop(number, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                while self._set and self._set[0][0] <= time.monotonic():
                    if act := self._awaited.pop(heappop(self._set)[1], None):
                        act()
                self._changed.wait(self._set[0][0] - time.monotonic() if self._set else None)


_alarm = _Alarm()
