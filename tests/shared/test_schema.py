"""The migrations: up, down, and the same as the tables that the code uses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from shared import schema
from shared.database import Database
from shared.errors import WhydownError
from shared.schema import SchemaBehind
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


def test_an_unreachable_database_is_said_without_its_password() -> None:
    database = Database("postgresql+psycopg://whydown:hunter2@127.0.0.1:9/whydown")
    with pytest.raises(WhydownError, match="WHYDOWN_DATABASE_URL") as said:
        schema.check(database)
    schema.check_at_start(database)
    assert "hunter2" not in str(said.value)
