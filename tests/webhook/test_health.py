"""Liveness and readiness, on databases and brokers that are there, behind or gone."""

from __future__ import annotations

import socket
from pathlib import Path

from redis import Redis

from shared import schema
from shared.database import Database
from tests.webhook.receivers import guarded_receiver_on, receiver_on
from webhook.receiver import Queue


def test_the_process_lives_without_a_database(tmp_path: Path) -> None:
    answer = guarded_receiver_on(Database(f"sqlite:///{tmp_path / 'none.db'}")).test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_ready_on_a_migrated_database(database_url: str) -> None:
    database = Database(database_url)
    schema.upgrade(database)
    answer = guarded_receiver_on(database).test_client().get("/readyz")
    database.close()
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ok", "checks": {"database": "ok", "migrations": "ok", "broker": "ok"}}


def test_a_schema_that_is_behind_says_what_to_run(database_url: str) -> None:
    database = Database(database_url)
    answer = receiver_on(database).test_client().get("/readyz")
    database.close()
    checks = answer.get_json()["checks"]
    assert (answer.status_code, checks["database"]) == (503, "ok")
    assert "whydown migrate" in checks["migrations"]


def test_a_database_that_is_gone_is_named_without_its_address() -> None:
    database = Database("postgresql+psycopg://whydown:hunter2@127.0.0.1:1/whydown")
    answer = receiver_on(database).test_client().get("/readyz")
    assert answer.status_code == 503
    assert "WHYDOWN_DATABASE_URL" in answer.get_json()["checks"]["database"]
    assert "hunter2" not in answer.text
    assert "127.0.0.1" not in answer.text


def test_a_broker_that_never_answers_is_given_up_on(database_url: str) -> None:
    database = Database(database_url)
    schema.upgrade(database)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]

        def ping(_timeout: float) -> None:
            with Redis(port=port, socket_timeout=0.2, socket_connect_timeout=0.2) as client:
                client.ping()

        answer = receiver_on(database, queue=Queue(lambda _ids: None, ping)).test_client().get("/readyz")
    database.close()
    assert answer.status_code == 503
    assert "WHYDOWN_REDIS_URL" in answer.get_json()["checks"]["broker"]
