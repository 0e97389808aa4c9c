"""Clients that wait for an incident's end as they are asked to: a process of its own beside what is measured.

`python -m benchmarks.pollers PORT COUNT INCIDENT ...` until it is ended; each client asks for one of the incidents with
`Prefer: wait=60` and the ETag that it knows, and again after the answer's Retry-After. After a second, and each second
after that, it prints how many requests were answered since the last line, and how many failed.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
from collections import Counter
from contextlib import suppress
from typing import Final

_RETRY: Final = re.compile(rb"(?im)^retry-after: *(\d+)")
_ETAG: Final = re.compile(rb"(?im)^etag: *(\S+)")
SPREAD_SECONDS: Final = 4.0
"""Within which the first requests are sent."""


async def poll(port: int, incident: str, answers: Counter[str]) -> None:
    """One client."""
    etag = b""
    await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))
    while True:
        pause = 1.0
        try:
            head = await _asked(port, incident, etag)
            answers[head[9:12].decode()] += 1
            pause = float(found[1]) if (found := _RETRY.search(head)) else pause
            etag = found[1] if (found := _ETAG.search(head)) else etag
        except (OSError, asyncio.IncompleteReadError):
            answers["failed"] += 1
        await asyncio.sleep(pause)


async def _asked(port: int, incident: str, etag: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        known = b"If-None-Match: " + etag + b"\r\n" if etag else b""
        line = f"GET /incidents/{incident} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nPrefer: wait=60\r\n"
        writer.write(line.encode() + known + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        return head
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def main(port: int, clients: int, incidents: list[str]) -> None:
    """All of them."""
    answers: Counter[str] = Counter()
    running = [asyncio.create_task(poll(port, incidents[n % len(incidents)], answers)) for n in range(clients)]
    while running:
        await asyncio.sleep(1.0)
        print(answers.total() - answers["failed"], answers["failed"], flush=True)
        answers.clear()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
