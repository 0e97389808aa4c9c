"""What most deliveries are, in as few statements as can be: groups of firing alerts that nobody knows, and groups that
are delivered again. Everything else (a refire, something resolved) is left to shared.store.intake.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, Final, cast

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from shared.database import Database, is_away
from shared.incident import Status
from shared.moment import utc
from shared.tables import AlertRow, AttemptRow, Base, IncidentRow, WorkRow

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One incident that an accepted request is about."""

    id: str
    status: Status
    new: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """One group of firing alerts, as the rows that it is if nobody knows it: an incident with its first attempt and
    that attempt's first work.
    """

    incident: Row
    alerts: Sequence[Row]
    attempt: Row
    work: Row

    @property
    def keys(self) -> set[str]:
        """What no two arrivals of one transaction may have in common."""
        return {self.incident["open_key"], *(alert["identity"] for alert in self.alerts)}


def commit(database: Database, deliveries: Sequence[Sequence[Arrival]]) -> list[list[Accepted | None]]:
    """Commits the groups of some deliveries, and gives what each group's incident is; None for what is neither new nor
    merely delivered again, of which nothing is stored. Raises sqlalchemy.exc.SQLAlchemyError when the database is away.
    """
    accepted: dict[str, Accepted] = {}
    for together in _apart(list(chain.from_iterable(deliveries))):
        try:
            accepted |= _committed(database, together)
        except SQLAlchemyError as failure:
            # Refused for what one of them holds, or because another process was first: each is looked at by itself.
            if is_away(failure):
                raise
    return [[accepted.get(arrival.incident["id"]) for arrival in delivery] for delivery in deliveries]


def _apart(arrivals: list[Arrival]) -> Iterator[list[Arrival]]:
    """The arrivals in rounds, so that the same group does not come twice in one; sorted, so that no two processes can
    wait for each other.
    """
    while arrivals:
        taken: set[str] = set()
        together: list[Arrival] = []
        later: list[Arrival] = []
        for arrival in arrivals:
            (together if taken.isdisjoint(arrival.keys) else later).append(arrival)
            taken |= arrival.keys
        yield sorted(together, key=lambda arrival: str(arrival.incident["open_key"]))
        arrivals = later


def _committed(database: Database, arrivals: Sequence[Arrival]) -> dict[str, Accepted]:
    taken = _taken_by_sqlite(database, arrivals) if database.is_sqlite else _taken_by_postgresql(database, arrivals)
    return {asked: Accepted(found, Status(status), new) for asked, found, status, new in taken}


def _rows(arrivals: Sequence[Arrival]) -> dict[type[Base], list[Row]]:
    return {
        IncidentRow: [each.incident for each in arrivals],
        AlertRow: sorted(_alerts(arrivals), key=lambda row: str(row["identity"])),
        AttemptRow: [each.attempt for each in arrivals],
        WorkRow: [each.work for each in arrivals],
    }


Taken = tuple[str, str, str, bool]
"""The id that an arrival would have had, its incident's id and status, and whether that is new."""


def _taken_by_postgresql(database: Database, arrivals: Sequence[Arrival]) -> Sequence[Taken]:
    """One statement, and so one round trip. Where the connection turns out to have ended it is sent once more: it then
    finds what it stored.
    """
    rows = {
        table.__tablename__: json.dumps(of_table, default=datetime.isoformat)
        for table, of_table in _rows(arrivals).items()
    }
    try:
        return _sent(database, rows)
    except DBAPIError as failure:
        if not failure.connection_invalidated:
            raise
        return _sent(database, rows)


def _sent(database: Database, rows: Mapping[str, str]) -> Sequence[Taken]:
    with database.driver() as connection:
        return cast("Sequence[Taken]", connection.cursor().execute(_statement(), rows).fetchall())


_POSTGRESQL: Final = """
WITH given AS MATERIALIZED (SELECT * FROM json_populate_recordset(NULL::incidents, %(incidents)s)),
firing AS MATERIALIZED (SELECT * FROM json_populate_recordset(NULL::alerts, %(alerts)s)),
known AS (
    SELECT incident_id AS id, count(*) AS of_all,
        sum((SELECT count(*) FROM alerts WHERE alerts.identity = firing.identity)) AS seen
    FROM firing GROUP BY incident_id
),
again AS (
    UPDATE incidents SET revision = incidents.revision + 1, last_seen_at = given.last_seen_at,
        truncated_alerts = given.truncated_alerts,
        callback_url = coalesce(incidents.callback_url, given.callback_url)
    FROM given JOIN known ON known.id = given.id
    WHERE known.seen = known.of_all AND incidents.open_key = given.open_key
    RETURNING given.id AS asked, incidents.id, incidents.status
),
counted AS (
    UPDATE alerts SET deliveries = alerts.deliveries + 1, last_received_at = firing.received_at
    FROM firing JOIN again ON again.asked = firing.incident_id
    WHERE alerts.identity = firing.identity
),
opened AS (
    INSERT INTO incidents ({incidents})
    SELECT {incidents} FROM given WHERE id IN (SELECT id FROM known WHERE seen = 0) ORDER BY open_key
    ON CONFLICT (open_key) DO NOTHING
    RETURNING id, status
),
with_alerts AS (
    INSERT INTO alerts ({alerts}) SELECT {alerts} FROM firing WHERE incident_id IN (SELECT id FROM opened)
),
with_attempt AS (
    INSERT INTO attempts ({attempts})
    SELECT {attempts} FROM json_populate_recordset(NULL::attempts, %(attempts)s)
    WHERE incident_id IN (SELECT id FROM opened)
),
with_work AS (
    INSERT INTO work ({work})
    SELECT {work} FROM json_populate_recordset(NULL::work, %(work)s) WHERE incident_id IN (SELECT id FROM opened)
)
SELECT asked, id, status, false FROM again UNION ALL SELECT id, id, status, true FROM opened
"""
"""A row is named column by column: a column that a later version adds gets its default."""


@cache
def _statement() -> str:
    tables = (IncidentRow, AlertRow, AttemptRow, WorkRow)
    columns = {table.__tablename__: ", ".join(table.__table__.columns.keys()) for table in tables}
    return _POSTGRESQL.format(**columns)


def _taken_by_sqlite(database: Database, arrivals: Sequence[Arrival]) -> Sequence[Taken]:
    """A statement for each table: SQLite's take no round trip, and it has one writer at a time."""
    with database.driver() as connection:
        connection.execute("BEGIN IMMEDIATE")
        known = {one for (one,) in connection.execute(_KNOWN, _array(alert["identity"] for alert in _alerts(arrivals)))}
        keys = _array(each.incident["open_key"] for each in arrivals)
        standing = {key: (found, status) for key, found, status in connection.execute(_STANDING, keys)}
        opened, again = [], []
        for each in arrivals:
            seen = sum(alert["identity"] in known for alert in each.alerts)
            if seen == len(each.alerts) and each.incident["open_key"] in standing:
                again.append(each)
            elif seen == 0 and each.incident["open_key"] not in standing:
                opened.append(each)
        connection.executemany(_AGAIN, [_bound(each.incident) for each in again])
        connection.executemany(_COUNT, [_bound(alert) for alert in _alerts(again)])
        for table, rows in _rows(opened).items():
            connection.executemany(_insert(table), [_bound(row) for row in rows])
        connection.execute("COMMIT")
    return [
        *((one.incident["id"], *standing[one.incident["open_key"]], False) for one in again),
        *((one.incident["id"], one.incident["id"], one.incident["status"], True) for one in opened),
    ]


_KNOWN: Final = "SELECT identity FROM alerts WHERE identity IN (SELECT value FROM json_each(?))"
_STANDING: Final = "SELECT open_key, id, status FROM incidents WHERE open_key IN (SELECT value FROM json_each(?))"
_AGAIN: Final = """
UPDATE incidents SET revision = revision + 1, last_seen_at = :last_seen_at, truncated_alerts = :truncated_alerts,
    callback_url = coalesce(callback_url, :callback_url)
WHERE open_key = :open_key
"""
_COUNT: Final = (
    "UPDATE alerts SET deliveries = deliveries + 1, last_received_at = :received_at WHERE identity = :identity"
)


@cache
def _insert(table: type[Base]) -> str:
    columns = table.__table__.columns.keys()
    return f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES (:{', :'.join(columns)})"  # noqa: S608


def _alerts(arrivals: Sequence[Arrival]) -> Iterator[Row]:
    return chain.from_iterable(each.alerts for each in arrivals)


def _array(values: Iterable[str]) -> tuple[str]:
    return (json.dumps(list(values)),)


def _bound(row: Row) -> Row:
    """A row as SQLAlchemy's types keep it on SQLite."""
    return {name: _kept(value) for name, value in row.items()}


def _kept(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")
    return json.dumps(value) if isinstance(value, dict | list) else value
