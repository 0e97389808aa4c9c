"""Connections: those that outlive their server, those that are opened at once, those that are kept."""

from __future__ import annotations

import sqlite3
import tempfile
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from shared.database import Database, is_away
from tests.postgres import PostgresServer


def test_connections_that_the_server_ended_are_made_anew() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="whydown-", ignore_cleanup_errors=True) as folder,
        PostgresServer(Path(folder) / "postgres") as server,
    ):
        database = Database(server.url())
        with database.reading() as first, database.reading() as second:
            assert first.scalar(text("SELECT 1")) == second.scalar(text("SELECT 1"))
        server.crash()
        server.start()
        for _ in range(2):
            with database.reading() as session:
                assert session.scalar(text("SELECT 1")) == 1
        database.close()


def test_a_server_that_is_not_there_is_away_for_the_driver_too() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(OperationalError) as failure, database.driver():
        pass
    assert is_away(failure.value)
    database.close()


def test_a_new_file_is_opened_while_another_writes_to_it(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    database = Database(f"sqlite:///{path}")

    def opened() -> str:
        with database.reading() as session:
            return str(session.scalar(text("PRAGMA journal_mode")))

    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as threads:
        other.execute("BEGIN IMMEDIATE")
        mode = threads.submit(opened)
        assert not futures.wait([mode], timeout=0.5).done, "nobody can turn a file to a log that is written meanwhile"
        other.execute("COMMIT")
        assert mode.result(timeout=20) == "wal"
    database.close()


def test_the_driver_keeps_one_connection_and_lends_another_beside_it(database: Database) -> None:
    with database.driver() as first, database.driver() as beside:
        assert beside is not first
    with database.driver() as again:
        assert again is first


def test_a_connection_that_is_not_kept_comes_back_to_whoever_waits(database: Database) -> None:
    def third() -> bool:
        with database.driver():
            return True

    with ThreadPoolExecutor(1) as threads, database.driver():
        with database.driver():  # on PostgreSQL there are no more
            waits = threads.submit(third)
        assert waits.result(timeout=20)


def test_what_a_block_leaves_unfinished_when_it_fails_is_undone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    for _ in range(2):  # the second time with a connection that was kept
        with database.driver() as connection:
            assert not connection.in_transaction
        with pytest.raises(ZeroDivisionError), database.driver() as connection:
            connection.execute("BEGIN IMMEDIATE")
            _ = 1 / 0
    with database.driver() as connection:
        assert not connection.in_transaction
    database.close()
