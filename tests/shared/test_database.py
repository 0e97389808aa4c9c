"""Connections that outlive their server."""

from __future__ import annotations

import tempfile
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
