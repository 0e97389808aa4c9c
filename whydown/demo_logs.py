"""The demonstration's log files: a quiet night, and then the deploy."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

_NIGHT: Final = timedelta(minutes=100)
_Line = tuple[datetime, str]


def write_logs(folder: Path, deployed: datetime, until: datetime) -> None:
    """Writes a log file for each service, from well before `deployed` to `until`."""
    chance = random.Random(312)  # noqa: S311 - the same night every time
    began = until - _NIGHT
    _write(folder / "invoice-api.log", [*_healthy(chance, began, deployed), *_broken(chance, deployed, until)])
    _write(folder / "payment-gateway.log", _payments(chance, began, until))
    _write(folder / "notification-service.log", [*_events(chance, began, deployed), *_silence(deployed, until)])


def _write(path: Path, lines: Iterable[_Line]) -> None:
    path.write_text("".join(f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z {text}\n" for at, text in lines))


def _ticks(chance: random.Random, since: datetime, until: datetime, seconds: float) -> Iterator[datetime]:
    at = since
    while (at := at + timedelta(seconds=chance.expovariate(1 / seconds))) < until:
        yield at


def _healthy(chance: random.Random, since: datetime, until: datetime) -> Iterator[_Line]:
    for at in _ticks(chance, since, until, seconds=4):
        invoice = chance.randrange(10_000, 99_999)
        yield at, f"INFO  GET /invoices/{invoice} responded 200 in {chance.randrange(8, 60)} ms"
        if chance.random() < 0.02:
            yield (
                at,
                f"WARN  slow query: {chance.randrange(500, 900)} ms for customer {chance.randrange(999)}",
            )
        if chance.random() < 0.01:
            yield at, f"ERROR PdfRenderer: logo of customer {chance.randrange(999)} not found, printing without it"


def _broken(chance: random.Random, since: datetime, until: datetime) -> Iterator[_Line]:
    yield since, "INFO  invoice-api 1.41.2 is shutting down"
    yield since + timedelta(seconds=3), "INFO  invoice-api 1.42.0 started, listening on 8080"
    for at in _ticks(chance, since + timedelta(seconds=4), until, seconds=3):
        invoice = chance.randrange(10_000, 99_999)
        yield at, "ERROR Npgsql.NpgsqlException (0x80004005): Failed to connect to 10.0.1.5:5432"
        yield at, f"INFO  GET /invoices/{invoice} responded 500 in {chance.randrange(3, 20)} ms"


def _payments(chance: random.Random, since: datetime, until: datetime) -> Iterator[_Line]:
    for at in _ticks(chance, since, until, seconds=9):
        yield at, f"INFO  captured payment {chance.randrange(10**6)} in {chance.randrange(80, 300)} ms"
        if chance.random() < 0.03:
            yield at, f"WARN  card of customer {chance.randrange(999)} declined by its bank: insufficient funds"


def _events(chance: random.Random, since: datetime, until: datetime) -> Iterator[_Line]:
    for at in _ticks(chance, since, until, seconds=15):
        yield at, f"INFO  InvoiceCreated {chance.randrange(10_000, 99_999)}: mail sent"


def _silence(since: datetime, until: datetime) -> Iterator[_Line]:
    at = since + timedelta(minutes=2)
    while at < until:
        yield at, f"WARN  no event from invoice-api for {(at - since).seconds} s"
        at += timedelta(minutes=1)
