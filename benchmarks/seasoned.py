"""A database as it looks after years: incidents that are over with all that belongs to them, and a few that wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text

from shared.alert import Severity
from shared.database import Database
from shared.moment import now

WAITING: Final = 200
"""Of the newest incidents, those whose turn has not come, unless more are asked for."""
SERVICES: Final = 15
"""Few: a page of each is full even of a thousand incidents."""
_APART: Final = timedelta(seconds=30)
_SEVERITIES: Final = ("critical", "high", "warning", "info")
_LABELS: Final = json.dumps({"alertname": "HighErrorRate", "namespace": "shop", "cluster": "eu-west-1"})
_DIAGNOSIS: Final = json.dumps(
    {
        "probableCause": {
            "statement": "Commit 67e271c in invoice-api most likely broke it.",
            "confidence": 0.58,
            "citations": [{"fact": "F8", "quote": "refactor config to use Server= syntax", "verified": True}],
        },
        "evidence": [{"statement": "81 errors", "fact": "F15", "quote": "Failed to connect", "verified": True}],
        "suggestedActions": [{"kind": "immediate", "text": "Roll invoice-api back", "command": None}],
        "relatedServices": [],
        "suspectChange": "67e271ca710ecbb1389541d71f851ba63e5bdab9",
        "missingData": [],
        "producedBy": {"stage": "model", "provider": "openai", "model": "a-model", "reason": None},
    }
)

Rows = Iterator[tuple[Any, ...]]

COLUMNS: Final = {
    "incidents": "id open_key status revision service title severity sender started_at received_at last_seen_at "
    "finished_at fire_count truncated_alerts labels annotations links closest attempt",
    "alerts": "identity incident_id fingerprint firing title severity received_at last_received_at deliveries labels "
    "annotations",
    "attempts": "incident_id number created_at admitted_at started_at brief_at finished_at outcome fact_count "
    "pending_sources diagnosis input_tokens output_tokens cached_tokens calls service",
    "work": "id incident_id attempt kind subject state due_at tries lapses created_at finished_at rank service",
}


def season(database: Database, first: int, end: int, waiting: int = WAITING) -> None:
    """Adds the incidents from number `first` to before `end`; number 0 is the newest, and those before number `waiting`
    wait. Foreign keys hold as it is.
    """
    for table, names in COLUMNS.items():
        columns = tuple(names.split())
        if database.is_sqlite:
            _inserted(database, table, columns, _rows(table, first, end, waiting))
        else:
            _copied(database, table, columns, _rows(table, first, end, waiting))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"))


def _copied(database: Database, table: str, columns: tuple[str, ...], rows: Rows) -> None:
    with database.driver() as connection:
        cursor = connection.cursor()
        cursor.execute("SET session_replication_role = replica")
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute("SET session_replication_role = DEFAULT")


def _inserted(database: Database, table: str, columns: tuple[str, ...], rows: Rows) -> None:
    with database.driver() as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("BEGIN IMMEDIATE")
        marks = ", ".join("?" * len(columns))
        kept = (tuple(_kept(value) for value in row) for row in rows)
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", kept)
        connection.execute("COMMIT")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _kept(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


def _rows(table: str, first: int, end: int, waiting: int) -> Rows:
    newest = now()
    make = {"incidents": _incident, "alerts": _alert, "attempts": _attempt, "work": _work}[table]
    for number in range(first, end):
        yield from make(number, newest - number * _APART, number < waiting)


def _incident(n: int, at: datetime, waits: bool) -> Rows:
    key, status, over = f"key{n}" if n % 20 == 0 else None, "queued" if waits else "done", None if waits else at
    told = (f"i{n}", key, status, 1, _service(n), f"Error rate {n % 977}", _severity(n), "alertmanager")
    yield (*told, at, at, at, over, 1, 0, _LABELS, "{}", "[]", "[]", 1)


def _service(n: int) -> str:
    return f"service-{n % SERVICES:03}"


def _severity(n: int) -> str:
    return _SEVERITIES[n // SERVICES % 4]


def _alert(n: int, at: datetime, _waits: bool) -> Rows:
    yield (f"a{n}", f"i{n}", f"f{n}", n % 20 == 0, "Error rate", "high", at, at, 1, _LABELS, "{}")


def _attempt(n: int, at: datetime, waits: bool) -> Rows:
    over = None if waits else at
    done = "done" if over else None
    told = _DIAGNOSIS if over else None
    yield (f"i{n}", 1, at, over, over, over, over, done, 9, 0, told, 3_000, 400, 0, 1, _service(n))


def _work(n: int, at: datetime, waits: bool) -> Rows:
    if waits:
        turn = Severity(_severity(n)).rank, _service(n)
        yield (f"i{n}.1.investigate", f"i{n}", 1, "investigate", "", "waiting", at, 0, 0, at, None, *turn)
        return
    for kind in ("investigate", "gather", "diagnose"):
        yield (f"i{n}.1.{kind}", f"i{n}", 1, kind, "", "done", at, 1, 0, at, at, 2, "")
