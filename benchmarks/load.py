"""A light generator of load: one thread that keeps so many HTTP requests under way, each on a connection of its own.

It shares the machine with what it measures, so it does no more than it must: requests are bytes that were made before,
and of an answer only the status and the body are looked at.
"""

from __future__ import annotations

import errno
import math
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

ANSWER_SECONDS: Final = 60.0
"""No request takes longer, or it counts as failed."""


@dataclass
class Load:
    """What came of some requests."""

    seconds: float = 0.0
    """From the first request's start to the last answer."""
    taken: list[float] = field(default_factory=list)
    """Seconds of each request, from before it connects until its answer is whole."""
    bodies: list[bytes] = field(default_factory=list)
    """The answers' bodies, in order of arrival; only when they were asked to be kept."""
    refused: list[str] = field(default_factory=list)
    """What went wrong with each of the others: a status or an error."""

    @property
    def per_second(self) -> float:
        """Answers with 2xx, by the second."""
        return len(self.taken) / self.seconds

    def p99(self) -> float:
        """Seconds that 99 of 100 requests did not exceed; infinite when none was answered."""
        if not self.taken:
            return math.inf
        return sorted(self.taken)[max(0, -(-len(self.taken) * 99 // 100) - 1)]

    def add(self, other: Load) -> None:
        """Counts another round in."""
        self.seconds += other.seconds
        self.taken += other.taken
        self.bodies += other.bodies
        self.refused += other.refused


def post(host: str, port: int, path: str, body: bytes) -> bytes:
    """A request with a JSON body, as bytes."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: Alertmanager/0.28.0\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(slots=True)
class _Exchange:
    """One request on its connection."""

    connection: socket.socket
    left: memoryview
    began: float
    answer: bytearray = field(default_factory=bytearray)


class Generator:
    """Sends to one server on loopback."""

    def __init__(self, host: str, port: int, keep: bool = False) -> None:
        """`keep` keeps the answers' bodies."""
        self.address = (host, port)
        self._keep = keep

    def send(self, requests: Iterator[bytes], at_once: int, seconds: float | None = None) -> Load:
        """Sends requests, `at_once` of them under way at any time, until there are none left or, after so many
        `seconds`, no more are begun.
        """
        load = Load()
        selector = selectors.DefaultSelector()
        began = time.perf_counter()
        stop = began + seconds if seconds is not None else float("inf")
        try:
            for request in _first(requests, at_once):
                self._begin(selector, request)
            last_look = time.perf_counter()
            while selector.get_map():
                for key, _ in selector.select(1.0):
                    if self._goes_on(selector, key.data, load):
                        continue
                    if time.perf_counter() < stop and (request := next(requests, b"")):
                        self._begin(selector, request)
                if time.perf_counter() - last_look > 1.0:
                    last_look = time.perf_counter()
                    self._give_up(selector, load)
        finally:
            for key in list(selector.get_map().values()):
                key.data.connection.close()
            selector.close()
        load.seconds = time.perf_counter() - began
        return load

    def _begin(self, selector: selectors.BaseSelector, request: bytes) -> None:
        connection = socket.socket()
        connection.setblocking(False)
        exchange = _Exchange(connection, memoryview(request), time.perf_counter())
        code = connection.connect_ex(self.address)
        assert code in (0, errno.EINPROGRESS), errno.errorcode[code]
        selector.register(connection, selectors.EVENT_WRITE, exchange)

    def _goes_on(self, selector: selectors.BaseSelector, exchange: _Exchange, load: Load) -> bool:
        """One step of an exchange. False when it is over."""
        connection = exchange.connection
        try:
            if exchange.left:
                exchange.left = exchange.left[connection.send(exchange.left) :]
                if not exchange.left:
                    selector.modify(connection, selectors.EVENT_READ, exchange)
                return True
            exchange.answer += (part := connection.recv(65536))
            if part and not _whole(exchange.answer):
                return True
        except BlockingIOError:
            return True
        except OSError as failure:
            load.refused.append(type(failure).__name__)
        else:
            self._note(exchange, load)
        selector.unregister(connection)
        connection.close()
        return False

    def _note(self, exchange: _Exchange, load: Load) -> None:
        status = bytes(exchange.answer[9:12])
        if not status.startswith(b"2"):
            load.refused.append(status.decode("ascii", "replace") or "closed without an answer")
            return
        load.taken.append(time.perf_counter() - exchange.began)
        if self._keep:
            load.bodies.append(bytes(exchange.answer.partition(b"\r\n\r\n")[2]))

    def _give_up(self, selector: selectors.BaseSelector, load: Load) -> None:
        for key in list(selector.get_map().values()):
            if time.perf_counter() - key.data.began > ANSWER_SECONDS:
                load.refused.append("no answer in time")
                selector.unregister(key.fileobj)
                key.data.connection.close()


def _whole(answer: bytearray) -> bool:
    """Whether an answer is complete, by its Content-Length; without one the server ends it by closing."""
    head, found, body = answer.partition(b"\r\n\r\n")
    if not found:
        return False
    with suppress(ValueError):
        _, named, rest = bytes(head).lower().partition(b"\r\ncontent-length:")
        return bool(named) and len(body) >= int(rest.partition(b"\r\n")[0])
    return False


def _first(requests: Iterator[bytes], many: int) -> Sequence[bytes]:
    return [request for _, request in zip(range(many), requests, strict=False)]
