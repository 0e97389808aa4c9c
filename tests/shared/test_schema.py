"""The migrations: up, down, and the same as the tables that the code uses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, DateTime, Float, Integer, MetaData, Table, inspect, select, text, update

from shared import schema
from shared.database import Database
from shared.errors import WhydownError
from shared.schema import SchemaBehind
from shared.store import admission
from shared.tables import Base


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    """A database without any table."""
    database = Database(database_url)
    yield database
    database.close()


def test_up_gives_the_tables_that_the_code_uses(empty: Database) -> None:
    with pytest.raises(SchemaBehind, match="run `whydown migrate`"):
        schema.check(empty)
    schema.upgrade(empty)
    schema.check(empty)
    with empty.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_down_takes_everything_away_and_up_works_again(empty: Database) -> None:
    schema.upgrade(empty)
    schema.downgrade(empty, "base")
    assert set(inspect(empty.engine).get_table_names()) <= {"alembic_version"}
    schema.upgrade(empty)
    schema.check(empty)


def test_a_later_schema_is_fine_for_an_older_version(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    schema.check(empty)


REVISIONS = [step.revision for step in ScriptDirectory.from_config(schema._config()).walk_revisions()][::-1]


def test_the_names_of_the_files_tell_the_order_of_the_migrations() -> None:
    assert sorted(schema._revisions()) == REVISIONS


@pytest.mark.parametrize(("before", "after"), list(pairwise(REVISIONS)))
def test_every_step_keeps_what_is_there_and_serves_the_version_before(empty: Database, before: str, after: str) -> None:
    """What the version before writes, reads and changes, column by column, works on after the step."""
    _to(empty, before)
    earlier = MetaData()
    earlier.reflect(empty.engine)
    tables = [table for table in earlier.sorted_tables if table.name != "alembic_version"]
    _write(empty, tables, "before", 1)
    _to(empty, after)
    _write(empty, tables, "since", 2)
    with empty.writing() as session:
        for table in tables:
            assert len(session.execute(select(table)).all()) == 2, table.name
            last = table.columns.values()[-1]
            changed = session.execute(update(table).values({last.name: last}).returning(*table.primary_key))
            assert len(changed.all()) == 2, table.name


def test_what_waits_while_the_line_gets_its_order_keeps_its_turn(empty: Database) -> None:
    _to(empty, "0012")
    earlier = MetaData()
    earlier.reflect(empty.engine)
    tables = [earlier.tables[name] for name in ("incidents", "attempts", "work")]
    severities = ("info", "unknown", "critical", "high")
    for severity in severities:
        _write(empty, tables, severity, 1)
    with empty.writing() as session:
        session.execute(text("UPDATE incidents SET severity = id"))
        session.execute(text("UPDATE attempts SET finished_at = NULL, admitted_at = NULL"))
        session.execute(text("UPDATE work SET state = 'waiting', kind = 'investigate'"))
    schema.upgrade(empty)
    with empty.reading() as session:
        assert {*session.execute(text("SELECT incident_id, service FROM attempts"))} == {
            (each, each) for each in severities
        }
    assert admission.admit(empty, len(severities)) == ("critical", "high", "unknown", "info")


def test_indexes_that_were_left_half_way_are_made_by_another_try(empty: Database) -> None:
    schema.upgrade(empty)
    with empty.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0013'"))
        session.execute(text("DROP INDEX ix_work_in_hand"))
        session.execute(text("CREATE INDEX ix_work_kind ON work (kind)"))
    schema.upgrade(empty)
    with empty.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def _to(database: Database, revision: str) -> None:
    schema._run(database, lambda config: command.upgrade(config, revision))


def _write(database: Database, tables: list[Table], mark: str, number: int) -> None:
    """One row in each table. All their texts are `mark`, so that they refer to each other, and all numbers `number`."""
    values: dict[type, Any] = {
        Boolean: True,
        Integer: number,
        Float: 1.0,
        JSON: {},
        DateTime: datetime(2026, 1, 1, tzinfo=UTC),
    }
    with database.writing() as session:
        for table in tables:
            kinds = {
                column.name: next((value for kind, value in values.items() if isinstance(column.type, kind)), mark)
                for column in table.columns
                if column is not table.autoincrement_column  # the database numbers those itself
            }
            session.execute(table.insert().values(kinds))


def test_an_unreachable_database_is_said_without_its_password() -> None:
    database = Database("postgresql+psycopg://whydown:hunter2@127.0.0.1:9/whydown")
    with pytest.raises(WhydownError, match="WHYDOWN_DATABASE_URL") as said:
        schema.check(database)
    schema.check_at_start(database)
    assert "hunter2" not in str(said.value)
