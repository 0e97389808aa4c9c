"""A GitHub, a Prometheus, a Loki and a model in one process that cost next to nothing: answers made beforehand, kept
connections, one thread. `python -m benchmarks.many_answers SOURCE_SECONDS MODEL_SECONDS` says its port on its first
line, and what it was asked when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from shared.moment import now
from tests.model_server import diagnosis, said
from tests.worker.github_stand_in import commit_item, content_item, file_item

_END: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SPAN: Final = re.compile(rb"[?&](start|end)=(\d+)")
_FACT: Final = re.compile(rb"\\n(F\d+) signature: [^\\]*(pool exhausted[^\\]*)")
_SHA: Final = "a3f7c2d9e1b04c5f8a6d7e2b3c4d5e6f7a8b9c0d"
_ROUNDS: Final = 2
"""GitHub is asked for a commit after it was asked for the commits: each round takes its part of a source's time."""


@dataclass
class Counts:
    """What was asked."""

    source_requests: int = 0
    model_calls: int = 0
    most_model_calls_at_once: int = 0
    connections: int = 0


class Answers:
    """The answers as they go over the wire, and how long each takes."""

    def __init__(self, source_seconds: float, model_seconds: float) -> None:
        moment = now()
        self.source_seconds = source_seconds
        self.model_seconds = model_seconds
        self.counts = Counts()
        self._at_once = 0
        self._logged_at = int((moment - timedelta(minutes=3)).timestamp()) * 10**9
        commit = commit_item(_SHA, moment - timedelta(minutes=10), "lower the pool to 5")
        self._commits = _wire([commit])
        self._commit = _wire({**commit, "files": [file_item("pool.yaml", "-size: 50\n+size: 5", 1, 1)]})
        self._deployments = _wire([])
        self._gotcha = _wire(content_item("GOTCHA.md", b"## HEURISTICS\n- The pool must be larger than 20\n"))
        self._matrix = _wire({"status": "success", "data": {"resultType": "matrix", "result": []}})
        values = [[str(self._logged_at + n * 10**9), f"ERROR pool exhausted after {n} ms"] for n in range(1, 30)]
        self._errors, self._no_errors = (
            _wire({"status": "success", "data": {"resultType": "streams", "result": result, "stats": {}}})
            for result in ([{"stream": {"detected_level": "error"}, "values": values}], [])
        )
        self._unclear = _wire({"message": "Not Found"}, status=404)

    def to(self, head: bytes, body: bytes) -> tuple[bytes, float, bool]:
        """The answer to a request, the seconds that it takes, and whether it is the model's."""
        target = head.split(b" ", 2)[1]
        if target.startswith(b"/v1/"):
            return self._diagnosis(body), self.model_seconds, True
        if target.startswith(b"/repos/"):
            return self._github(target), self.source_seconds / _ROUNDS, False
        if b"/loki/" in target:
            return self._loki(target), self.source_seconds, False
        return self._matrix, self.source_seconds, False

    def begun(self, is_model: bool) -> None:
        """Counts a request that came."""
        if is_model:
            self._at_once += 1
            self.counts.model_calls += 1
            self.counts.most_model_calls_at_once = max(self.counts.most_model_calls_at_once, self._at_once)
        else:
            self.counts.source_requests += 1

    def ended(self, is_model: bool) -> None:
        """Counts a request that is answered."""
        self._at_once -= is_model

    def _github(self, target: bytes) -> bytes:
        asked = target.partition(b"?")[0]
        if asked.endswith(b"/commits"):
            return self._commits
        if b"/commits/" in asked:
            return self._commit
        if asked.endswith(b"/deployments"):
            return self._deployments
        return self._gotcha if asked.endswith(b"/GOTCHA.md") else self._unclear

    def _loki(self, target: bytes) -> bytes:
        span = {name: int(value) for name, value in _SPAN.findall(target)}
        return (
            self._errors if span[b"start"] <= self._logged_at < span[b"end"] and b"error" in target else self._no_errors
        )

    def _diagnosis(self, body: bytes) -> bytes:
        cited = [(fact.decode(), quote.decode()) for fact, quote in _FACT.findall(body)[:1]]
        return _wire(said(diagnosis(*cited)).body)


class _Connection(asyncio.Protocol):
    """One kept connection: a request at a time, as HTTP clients without pipelining send them."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._answers.counts.connections += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(_END)
        length = _LENGTH.search(head) if end else None
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        answer, seconds, is_model = self._answers.to(head, body)
        self._answers.begun(is_model)
        asyncio.get_running_loop().call_later(seconds, self._say, answer, is_model)

    def _say(self, answer: bytes, is_model: bool) -> None:
        self._answers.ended(is_model)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def _wire(body: Any, status: int = 200) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


async def _serve(answers: Answers) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(answers), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(json.dumps(asdict(answers.counts)), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(Answers(float(sys.argv[1]), float(sys.argv[2]))))
