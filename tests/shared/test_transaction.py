"""Statements by the driver alone: they mean the same as by SQLAlchemy, on both engines."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, NoResultFound

from shared.database import Database, UtcDateTime, is_away
from shared.incident import Status
from shared.tables import AttemptRow, Base, CoverageRow, FactRow, IncidentRow, InstallationRow
from shared.transaction import Change, Insertion, Transaction, among, listed
from tests.postgres import PostgresServer

MOMENT = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
INSTALLED, ATTEMPTS, FACTS = (cast("Table", row.__table__) for row in (InstallationRow, AttemptRow, FactRow))
VALUE = select(INSTALLED.c.value).where(INSTALLED.c.name == bindparam("wanted"))


def incident(database: Database) -> dict[str, Any]:
    """The key of an attempt that is there."""
    with database.writing() as session:
        session.add(
            IncidentRow(
                **{name: name for name in ("id", "service", "title", "severity", "sender")},
                **dict.fromkeys(("started_at", "received_at", "last_seen_at"), MOMENT),
                **{name: {} for name in ("labels", "annotations")},
                **{name: [] for name in ("links", "closest")},
                status=Status.QUEUED,
            )
        )
        session.flush()
        session.add(AttemptRow(incident_id="id", number=1, created_at=MOMENT))
    return {"incident": "id", "current": 1}


def fact(number: int, **values: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"source": "s", "kind": "k", "text": "t", "data": {}, "at": None, "count": None}
    return {"incident_id": "id", "attempt": 1, "number": number, **told, **values}


def test_what_a_block_does_stands_when_it_ends_well_and_else_not_at_all(database: Database) -> None:
    with database.transaction() as transaction:
        assert transaction.insert(InstallationRow, [{"name": "a", "value": "1"}]) == 1
    with pytest.raises(ValueError, match="no"), database.transaction() as transaction:
        transaction.insert(InstallationRow, [{"name": "b", "value": "2"}])
        assert transaction.one(VALUE, {"wanted": "b"}) == ("2",)
        raise ValueError("no")
    with database.transaction() as transaction:
        transaction.insert(InstallationRow, [{"name": "c", "value": "3"}])
        transaction.undo()
    with database.looking() as look:
        assert [look.row(VALUE, {"wanted": name}) for name in "abc"] == [("1",), None, None]
        with pytest.raises(NoResultFound):
            look.one(VALUE, {"wanted": "b"})


def test_each_statement_of_a_look_stands_for_itself(database: Database) -> None:
    added = insert(INSTALLED).values(name=bindparam("key"), value="1").returning(INSTALLED.c.name)
    with pytest.raises(ValueError, match="no"), database.looking() as look:
        assert look.one(added, {"key": "a"}) == ("a",)
        raise ValueError("no")
    with database.transaction() as transaction:
        assert transaction.one(VALUE, {"wanted": "a"}) == ("1",), "and a transaction is one afterwards, too"
        transaction.undo()


def test_values_are_what_they_are_by_sqlalchemy(database: Database) -> None:
    key = incident(database)
    at = MOMENT.astimezone(timezone(timedelta(hours=-5)))
    data = {"files": ["a", None, {"n": 1.5}], "quote": 'it\'s "€" \\ %s :x'}
    with database.transaction() as transaction:
        transaction.insert(FactRow, [fact(1, at=at, data=data, text="%(x)s :y ''"), fact(2, count=7)])
    with database.reading() as session:
        rows = session.scalars(select(FactRow).order_by(FactRow.number)).all()
        assert [(row.at, row.data, row.text, row.count) for row in rows] == [
            (MOMENT, data, "%(x)s :y ''", None),
            (None, {}, "t", 7),
        ]
        by_driver = Transaction.of(session).rows(select(FACTS).order_by(FACTS.c.number), {})
        assert by_driver == [tuple(row) for row in session.execute(select(FACTS).order_by(FACTS.c.number))]
    changed = (
        update(ATTEMPTS)
        .where(ATTEMPTS.c.incident_id == bindparam("incident"), ATTEMPTS.c.number == bindparam("current"))
        .values(
            started_at=bindparam("moment", type_=UtcDateTime), scope=bindparam("found"), outcome=bindparam("outcome")
        )
    )
    for found in (data, None):
        with database.transaction() as transaction:
            values = {**key, "moment": at, "found": found, "outcome": Status.DONE}
            assert transaction.count(changed, values) == 1
            assert transaction.count(changed, {**values, "current": 2}) == 0
        with database.reading() as session:
            row = session.get_one(AttemptRow, ("id", 1))
            assert (row.started_at, row.scope, row.outcome) == (MOMENT, found, "done")
            unset = select(AttemptRow.number).where(AttemptRow.scope.is_(None))
            assert (session.scalar(unset) is not None) == (found is None), "no value is no JSON"


@pytest.mark.parametrize("wanted", [[], ["a"], ["b", 'it\'s, "so" \\ é', "missing"], [f"n{n}" for n in range(2_000)]])
def test_a_list_is_one_value_however_long_it_is(wanted: list[str], database: Database) -> None:
    names = ["a", "b", 'it\'s, "so" \\ é', "n7"]
    found = select(INSTALLED.c.name).where(among(INSTALLED.c.name, "wanted")).order_by(INSTALLED.c.name)
    with database.transaction() as transaction:
        transaction.insert(InstallationRow, [{"name": name, "value": "1"} for name in names])
        rows = transaction.rows(found, {"wanted": listed(wanted)})
    assert [name for (name,) in rows] == [name for name in names if name in wanted]


def test_a_row_whose_key_is_taken_is_refused_kept_or_replaced(database: Database) -> None:
    incident(database)
    line = {"incident_id": "id", "attempt": 1, "source": "a", "status": "timeout", "items": 0}
    newer = [{**line, "status": "ok"}, {**line, "source": "b"}]
    with database.transaction() as transaction:
        assert transaction.insert(CoverageRow, [line]) == 1
        assert transaction.insert(CoverageRow, []) == 0
    with pytest.raises(IntegrityError) as refused, database.transaction() as transaction:
        transaction.insert(CoverageRow, newer)
    assert not is_away(refused.value)
    found = select(CoverageRow.source, CoverageRow.status).order_by(CoverageRow.source)
    with database.transaction() as transaction:
        assert transaction.insert(CoverageRow, newer, "kept") == 1
        assert transaction.rows(found, {}) == [("a", "timeout"), ("b", "timeout")]
        transaction.insert(CoverageRow, newer, "replaced")
        assert transaction.rows(found, {}) == [("a", "ok"), ("b", "timeout")]


def renamed(name: str, value: str, otherwise: Exception | None = None) -> Change:
    """A value under the same names as that of any other."""
    changed = update(INSTALLED).where(INSTALLED.c.name == bindparam("wanted")).values(value=bindparam("new"))
    return Change(changed, {"wanted": name, "new": value}, otherwise)


def held(name: str, otherwise: Exception | None = None) -> Change:
    return Change(VALUE.with_for_update(), {"wanted": name}, otherwise)


def test_changes_that_are_made_together_are_those_of_each_alone(database: Database) -> None:
    incident(database)
    line = {"incident_id": "id", "attempt": 1, "source": "a", "status": "timeout", "items": 0}
    stored = Insertion(InstallationRow, [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}])
    with database.transaction() as transaction:
        transaction.together(stored, Insertion(CoverageRow, [line]))
    with database.transaction() as transaction:
        transaction.together(
            renamed("a", "%(new)s", otherwise=KeyError("a")),
            held("b", otherwise=KeyError("b")),
            renamed("nobody", "3"),
            held("nobody"),
            Insertion(InstallationRow, []),
            Insertion(InstallationRow, [{"name": "a", "value": "kept?"}, {"name": "c", "value": "1"}], "kept"),
            Insertion(CoverageRow, [{**line, "status": "ok"}], "replaced"),
        )
        transaction.together()
        transaction.together(renamed("b", "2"))
    with database.looking() as look:
        assert [look.row(VALUE, {"wanted": name}) for name in "abc"] == [("%(new)s",), ("2",), ("1",)]
        assert look.rows(select(CoverageRow.source, CoverageRow.status), {}) == [("a", "ok")]


@pytest.mark.parametrize("missing", [renamed("nobody", "2", KeyError("nobody")), held("nobody", KeyError("nobody"))])
@pytest.mark.parametrize("alone", [True, False])
def test_a_change_that_finds_no_row_takes_the_others_back(database: Database, missing: Change, alone: bool) -> None:
    stored = Insertion(InstallationRow, [{"name": "a", "value": "1"}])
    with pytest.raises(KeyError, match="nobody"), database.transaction() as transaction:
        if alone:
            transaction.together(stored)
            transaction.together(missing)
        else:
            transaction.together(stored, missing, renamed("a", "2"))
    with database.looking() as look:
        assert look.row(VALUE, {"wanted": "a"}) is None


@pytest.mark.parametrize("missing", [renamed("nobody", "2", KeyError("nobody")), held("nobody", KeyError("nobody"))])
@pytest.mark.parametrize("before", [(), (held("a", KeyError("a")),)])
def test_without_what_is_required_nothing_that_follows_is_done(
    database: Database, missing: Change, before: tuple[Change, ...]
) -> None:
    incident(database)
    line = {"incident_id": "id", "attempt": 1, "source": "a", "status": "timeout", "items": 0}
    some = Insertion(InstallationRow, [{"name": "a", "value": "1"}, {"name": "b", "value": "1"}])
    database.together(some, Insertion(CoverageRow, [line]))
    follows = (
        renamed("b", "2"),
        Insertion(InstallationRow, [{"name": "c", "value": "1"}]),
        Insertion(CoverageRow, [{**line, "status": "ok"}], "replaced"),
    )
    told = select(INSTALLED.c.name, INSTALLED.c.value).order_by(INSTALLED.c.name)
    lines = select(CoverageRow.source, CoverageRow.status)
    with pytest.raises(KeyError, match="nobody"):
        database.together(*before, missing, *follows)
    with database.looking() as look:
        assert look.rows(told, {}) == [("a", "1"), ("b", "1")]
        assert look.rows(lines, {}) == [("a", "timeout")]
    database.together(*before, renamed("a", "2", KeyError("a")), *follows)
    with database.looking() as look:
        assert look.rows(told, {}) == [("a", "2"), ("b", "2"), ("c", "1")]
        assert look.rows(lines, {}) == [("a", "ok")]


@pytest.mark.parametrize(
    "changes",
    [
        (renamed("a", "2"), renamed("a", "3", KeyError("a"))),
        (renamed("a", "2", KeyError("a")), held("a", KeyError("a"))),
    ],
)
def test_what_would_have_to_be_taken_back_is_refused(database: Database, changes: tuple[Change, ...]) -> None:
    with pytest.raises(ValueError, match="what is required comes first"):
        database.together(*changes)


def test_a_connection_that_the_server_ended_is_told_and_made_anew() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="whydown-", ignore_cleanup_errors=True) as folder,
        PostgresServer(Path(folder) / "postgres") as server,
    ):
        database = Database(server.url(), trusted_seconds=3_600.0)
        Base.metadata.create_all(database.engine)
        for access in (database.transaction, database.looking):
            with access() as transaction:
                assert transaction.row(VALUE, {"wanted": "a"}) is None
            server.crash()
            server.start()
            with pytest.raises(DBAPIError) as ended, access() as transaction:
                transaction.row(VALUE, {"wanted": "a"})
            assert is_away(ended.value)
            assert ended.value.connection_invalidated
            with access() as transaction:
                assert transaction.row(VALUE, {"wanted": "a"}) is None
        database.close()
