"""Requests over HTTP and their answers, any number of them at once by the thread that asks.

A thread for each takes more of the processor than its request: all wake for their answers, and one runs at a time.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from itertools import islice
from typing import Any, Final, TypeVar

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as TookTooLong

from shared.incident import CoverageStatus
from shared.moment import Deadline, DeadlineExceeded
from worker.cut_off import Call, Connection, Connections, watched
from worker.inquiry import SourceFailure
from worker.threads import side_by_side

_CONNECT_SECONDS: Final = 5.0

T = TypeVar("T")
Failure = SourceFailure | DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Request:
    """One request to a server."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    content: bytes | None = None
    repeatable: bool = True
    """Whether it may be sent once more when the other side closed a kept connection just as it was used again."""


Read = Callable[[BaseHTTPResponse, Request, Deadline], T]
"""Reads an answer whole by that deadline. May raise SourceFailure or DeadlineExceeded."""


def exchange(
    connections: Connections,
    requests: Iterable[Request],
    deadline: Deadline,
    read: Read[T],
    at_once: int,
) -> Iterator[tuple[int, T | Failure]]:
    """What `read` makes of each answer, or why there is none, with the place of its request: as they come. At most
    `at_once` are under way; a request is taken from `requests` when its turn comes. While others wait, an answer has
    half of the time that is left for its body.
    """
    coming = enumerate(requests)
    under_way: dict[int, _Exchange] = {}
    told: list[tuple[int, T | Failure]] = []
    with watched(deadline) as call:
        try:
            while True:
                begun = [
                    _Exchange(number, request, connections.taken(), call, deadline)
                    for number, request in islice(coming, at_once - len(under_way))
                ]
                for each, failure in zip(begun, _begin(begun), strict=True):
                    if failure is None:
                        under_way[each.connection.sock.fileno()] = each
                    else:
                        told.append((each.number, failure))
                        connections.given_back(each.connection)
                yield from told
                if not begun and not under_way:
                    return
                told = []
                for descriptor in _readable(under_way, deadline):
                    each = under_way.pop(descriptor)
                    told.append((each.number, each.end(read, alone=not under_way)))
                    connections.given_back(each.connection)
        finally:
            for each in under_way.values():
                each.connection.close()


@dataclass(slots=True)
class _Exchange:
    """A request and its answer."""

    number: int
    request: Request
    connection: Connection
    call: Call
    deadline: Deadline
    left: float = field(init=False)
    """Seconds that there were for it."""
    kept: bool = field(init=False)
    """Whether the connection was used before, so that the other side may have closed it meanwhile."""

    def __post_init__(self) -> None:
        self.left = self.deadline.at - time.monotonic()
        self.kept = self.connection.sock is not None
        self.call.uses(self.connection)

    def begin(self) -> Failure | None:
        """Sends the request. Gives why that failed."""
        return self._outcome(lambda: self._again_if_closed(self._send))

    def end(self, read: Read[T], *, alone: bool) -> T | Failure:
        """Takes the answer."""
        if not alone:
            moment = time.monotonic()
            self.deadline = Deadline(moment + (self.deadline.at - moment) / 2)

        def answer() -> T:
            with self._again_if_closed(self._response) as response:
                return read(response, self.request, self.deadline)

        return self._outcome(answer)

    def _outcome(self, act: Callable[[], T]) -> T | Failure:
        try:
            return act()
        except (SourceFailure, DeadlineExceeded) as failure:
            self.connection.close()
            return failure
        except (HTTPError, HTTPException, OSError, ValueError) as failure:
            self.connection.close()
            slow = isinstance(failure, TimeoutError | TookTooLong) and not isinstance(failure, NewConnectionError)
            if slow or self.deadline.passed():  # then it was cut off
                return DeadlineExceeded(f"no answer within {self.left:.1f} s")
            detail = f"could not be reached ({type(failure).__name__})"
            return SourceFailure(CoverageStatus.ERROR, detail, transient=True)

    def _again_if_closed(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except (HTTPException, OSError) as failure:
            if not (self.kept and self.request.repeatable) or isinstance(failure, TimeoutError):
                raise
        self.connection.close()
        self.kept = False
        if act != self._send:
            self._send()
        return act()

    def _send(self) -> None:
        left = self.deadline.remaining()
        if self.connection.sock is None:
            self.connection.timeout = min(left, _CONNECT_SECONDS)
            self.connection.connect()
        self.connection.timeout = left
        request = self.request
        self.connection.request(request.method, request.target, request.content, request.headers, preload_content=False)

    def _response(self) -> BaseHTTPResponse:
        self.connection.timeout = self.deadline.remaining()
        return self.connection.getresponse()


def _begin(exchanges: Sequence[_Exchange]) -> Sequence[Failure | None]:
    # Opening a connection takes several ways there and back.
    at_once = sum(not each.kept for each in exchanges)
    return side_by_side(_Exchange.begin, exchanges, at_once)


def _readable(under_way: Mapping[int, Any], deadline: Deadline) -> list[int]:
    """The descriptors of those that have answered; all when the deadline passes, as they are cut off then."""
    found: list[tuple[int, int]] = []
    if len(under_way) > 1:
        poll = select.poll()
        for descriptor in under_way:
            poll.register(descriptor, select.POLLIN)
        found = poll.poll(max(0.0, deadline.at - time.monotonic()) * 1000)
    return [descriptor for descriptor, _ in found] or list(under_way)
