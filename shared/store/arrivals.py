"""What most deliveries are, in as few statements as can be: groups of firing alerts that nobody knows, and groups that
are delivered again. Everything else (a refire, something resolved) is left to shared.store.intake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, Final, cast

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from shared.database import Database, is_away
from shared.incident import Status
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
        AlertRow: sorted(chain.from_iterable(each.alerts for each in arrivals), key=lambda row: str(row["identity"])),
        AttemptRow: [each.attempt for each in arrivals],
        WorkRow: [each.work for each in arrivals],
    }


Taken = tuple[str, str, str, bool]
"""The id that an arrival would have had, its incident's id and status, and whether that is new."""


def _taken_by_postgresql(database: Database, arrivals: Sequence[Arrival]) -> Sequence[Taken]:
    """One statement, and so one round trip; sent again, it finds what it stored."""
    rows = {
        table.__tablename__: json.dumps(of_table, default=datetime.isoformat)
        for table, of_table in _rows(arrivals).items()
    }
    return database.commit_statement(_statement(), rows)


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
    columns = {table.__tablename__: ", ".join(_table(table).columns.keys()) for table in tables}
    return _POSTGRESQL.format(**columns)


def _taken_by_sqlite(database: Database, arrivals: Sequence[Arrival]) -> Sequence[Taken]:
    """A statement for each table: SQLite's take no round trip, and it has one writer at a time."""
    identities = [alert["identity"] for each in arrivals for alert in each.alerts]
    keys = [each.incident["open_key"] for each in arrivals]
    with database.committing() as connection:
        known = set(connection.execute(_KNOWN, {"identities": identities}).scalars())
        standing = {key: (found, status) for key, found, status in connection.execute(_STANDING, {"keys": keys})}
        opened, again = [], []
        for each in arrivals:
            seen = sum(alert["identity"] in known for alert in each.alerts)
            if seen == len(each.alerts) and each.incident["open_key"] in standing:
                again.append(each)
            elif seen == 0 and each.incident["open_key"] not in standing:
                opened.append(each)
        if again:
            connection.execute(_AGAIN, [{f"the_{name}": each.incident[name] for name in _SEEN} for each in again])
            counted = [{f"the_{name}": alert[name] for name in _COUNTED} for each in again for alert in each.alerts]
            connection.execute(_COUNT, counted)
        if opened:
            for table, rows in _rows(opened).items():
                connection.execute(insert(_table(table)), rows)
    return [
        *((one.incident["id"], *standing[one.incident["open_key"]], False) for one in again),
        *((one.incident["id"], one.incident["id"], one.incident["status"], True) for one in opened),
    ]


_KNOWN: Final = select(AlertRow.identity).where(AlertRow.identity.in_(bindparam("identities", expanding=True)))
_STANDING: Final = select(IncidentRow.open_key, IncidentRow.id, IncidentRow.status).where(
    IncidentRow.open_key.in_(bindparam("keys", expanding=True))
)
_SEEN: Final = ("open_key", "last_seen_at", "truncated_alerts", "callback_url")
_COUNTED: Final = ("identity", "received_at")


def _table(of: type[Base]) -> Table:
    return cast("Table", of.__table__)


_AGAIN: Final = (
    update(_table(IncidentRow))
    .where(IncidentRow.open_key == bindparam("the_open_key"))
    .values(
        revision=IncidentRow.revision + 1,
        last_seen_at=bindparam("the_last_seen_at"),
        truncated_alerts=bindparam("the_truncated_alerts"),
        callback_url=func.coalesce(IncidentRow.callback_url, bindparam("the_callback_url")),
    )
)
_COUNT: Final = (
    update(_table(AlertRow))
    .where(AlertRow.identity == bindparam("the_identity"))
    .values(deliveries=AlertRow.deliveries + 1, last_received_at=bindparam("the_received_at"))
)
