"""What most deliveries are, in as few statements as can be: groups of firing alerts that nobody knows, and groups that
are delivered again. Everything else (a refire, something resolved) is left to shared.store.intake.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, Final, cast

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from shared.alert import Severity
from shared.database import Database, is_away
from shared.incident import Status
from shared.moment import utc
from shared.store.work import UNPUBLISHED

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One incident that an accepted request is about."""

    id: str
    status: Status
    new: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """One group of firing alerts, as the rows that it is if nobody knows it. Its first attempt, with that one's first
    work, follows from them.
    """

    incident: Row
    alerts: Sequence[Row]

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


Taken = tuple[str, str, str, bool]
"""The id that an arrival would have had, its incident's id and status, and whether that is new."""


def _taken_by_postgresql(database: Database, arrivals: Sequence[Arrival]) -> Sequence[Taken]:
    """One statement, and so one round trip. Where the connection turns out to have ended it is sent once more: it then
    finds what it stored.
    """
    rows = {
        "incidents": _json([each.incident for each in arrivals]),
        "alerts": _json(sorted(_alerts(arrivals), key=lambda row: str(row["identity"]))),
    }
    try:
        return _sent(database, rows)
    except DBAPIError as failure:
        if not failure.connection_invalidated:
            raise
        return _sent(database, rows)


_json: Final = json.JSONEncoder(default=datetime.isoformat).encode


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
    RETURNING id, status, received_at AS moment, severity, service
),
with_alerts AS (
    INSERT INTO alerts ({alerts}) SELECT {alerts} FROM firing WHERE incident_id IN (SELECT id FROM opened)
),
with_attempt AS (INSERT INTO attempts ({attempts}) SELECT {first_attempt} FROM opened),
with_work AS (INSERT INTO work ({work}) SELECT {first_work} FROM opened)
SELECT asked, id, status, false FROM again UNION ALL SELECT id, id, status, true FROM opened
"""
"""A row is named column by column: a column that a later version adds gets its default."""

_INCIDENT: Final = (
    "id", "open_key", "status", "revision", "service", "title", "severity", "sender", "started_at", "received_at",
    "last_seen_at", "fire_count", "truncated_alerts", "labels", "annotations", "links", "closest", "callback_url",
    "attempt",
)  # fmt: skip
_ALERT: Final = (
    "identity", "incident_id", "fingerprint", "firing", "title", "severity", "starts_at", "ends_at", "received_at",
    "last_received_at", "deliveries", "labels", "annotations", "errors",
)  # fmt: skip
_ATTEMPT: Final = {
    "incident_id": "{id}",
    "number": "1",
    "created_at": "{moment}",
    "service": "{service}",
} | dict.fromkeys(("fact_count", "input_tokens", "output_tokens", "cached_tokens", "calls"), "0")
"""The first attempt of an incident, in SQL."""
_WORK: Final = {
    "id": "{id} || '.1.investigate'", "incident_id": "{id}", "attempt": "1", "kind": "'investigate'", "subject": "''",
    "state": "'waiting'", "due_at": "{due}", "tries": "0", "lapses": "0", "created_at": "{moment}", "rank": "{rank}",
    "service": "{service}",
}  # fmt: skip
"""The first work of an incident, in SQL."""


@cache
def _statement() -> str:
    ranks = " ".join(f"WHEN '{severity}' THEN {severity.rank}" for severity in Severity)
    opened = {
        **{name: name for name in ("id", "moment", "service")},
        "due": f"moment + interval '{UNPUBLISHED.total_seconds()} s'",
        "rank": f"CASE severity {ranks} END",
    }
    return _POSTGRESQL.format(
        incidents=", ".join(_INCIDENT),
        alerts=", ".join(_ALERT),
        attempts=", ".join(_ATTEMPT),
        work=", ".join(_WORK),
        first_attempt=", ".join(_ATTEMPT.values()).format_map(opened),
        first_work=", ".join(_WORK.values()).format_map(opened),
    )


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
        if again:
            connection.executemany(_AGAIN, [_bound(each.incident) for each in again])
            connection.executemany(_COUNT, [_bound(alert) for alert in _alerts(again)])
        if opened:
            connection.executemany(_INSERT_INCIDENT, [_bound(each.incident) for each in opened])
            connection.executemany(_INSERT_ALERT, [_bound(alert) for alert in _alerts(opened)])
            first = [_bound(_first(each.incident)) for each in opened]
            connection.executemany(_INSERT_ATTEMPT, first)
            connection.executemany(_INSERT_WORK, first)
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


def _insert(table: str, columns: Iterable[str], values: Iterable[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(values)})"  # noqa: S608


_OPENED: Final = {name: f":{name}" for name in ("id", "moment", "due", "rank", "service")}
_INSERT_INCIDENT: Final = _insert("incidents", _INCIDENT, map(":{}".format, _INCIDENT))
_INSERT_ALERT: Final = _insert("alerts", _ALERT, map(":{}".format, _ALERT))
_INSERT_ATTEMPT: Final = _insert("attempts", _ATTEMPT, (value.format_map(_OPENED) for value in _ATTEMPT.values()))
_INSERT_WORK: Final = _insert("work", _WORK, (value.format_map(_OPENED) for value in _WORK.values()))


def _first(incident: Row) -> Row:
    moment = incident["received_at"]
    return {
        "id": incident["id"],
        "moment": moment,
        "due": moment + UNPUBLISHED,
        "rank": Severity(incident["severity"]).rank,
        "service": incident["service"],
    }


def _alerts(arrivals: Sequence[Arrival]) -> Iterator[Row]:
    return chain.from_iterable(each.alerts for each in arrivals)


def _array(values: Iterable[str]) -> tuple[str]:
    return (json.dumps(list(values)),)


def _bound(row: Row) -> Row:
    """A row as SQLAlchemy's types keep it on SQLite."""
    return {name: keep(value) if (keep := _KEEP.get(type(value))) else value for name, value in row.items()}


def _local(moment: datetime) -> str:
    return utc(moment).isoformat(" ", "microseconds").removesuffix("+00:00")


_KEEP: Final[dict[type, Callable[[Any], str]]] = {datetime: _local, dict: json.dumps, list: json.dumps}
