"""The least that a receiver can do: Flask behind gunicorn, one INSERT that is committed, one LPUSH, 202.

gunicorn serves `benchmarks.floor:app`; FLOOR_DATABASE is the path of a SQLite file or a libpq connection string,
FLOOR_REDIS the port of a Redis on loopback. It takes the JSON apart only as far as Flask does, and looks for no
duplicates.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from typing import Any

import psycopg
from flask import Flask, Response, request
from redis import Redis

DATABASE = os.environ.get("FLOOR_DATABASE", "")
app = Flask(__name__)
_redis = Redis(port=int(os.environ.get("FLOOR_REDIS", "6379")))
_own = threading.local()


@app.get("/healthz")
def healthz() -> Response:
    """Ready."""
    return Response(status=204)


@app.post("/alerts")
def alerts() -> tuple[dict[str, Any], int]:
    """Takes an alert in."""
    body = request.get_json()
    row = (uuid.uuid4().hex, body["groupKey"], json.dumps(body))
    if DATABASE.startswith("postgresql:"):
        _postgresql().execute("INSERT INTO alerts (id, key, body) VALUES (%s, %s, %s)", row)
    else:
        _sqlite().execute("INSERT INTO alerts (id, key, body) VALUES (?, ?, ?)", row)
    _redis.lpush("alerts", row[0])
    return {"id": row[0]}, 202


def create_table(database: str) -> None:
    """The one table that it needs."""
    table = "CREATE TABLE alerts (id text PRIMARY KEY, key text NOT NULL, body text NOT NULL)"
    if database.startswith("postgresql:"):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(table)
    else:
        sqlite = sqlite3.connect(database)
        sqlite.execute("PRAGMA journal_mode=WAL")
        sqlite.execute(table)
        sqlite.close()


def _postgresql() -> psycopg.Connection[Any]:
    if not hasattr(_own, "postgresql"):
        _own.postgresql = psycopg.connect(DATABASE, autocommit=True)
    connection: psycopg.Connection[Any] = _own.postgresql
    return connection


def _sqlite() -> sqlite3.Connection:
    if not hasattr(_own, "sqlite"):
        _own.sqlite = sqlite3.connect(DATABASE, isolation_level=None, timeout=30)
        _own.sqlite.execute("PRAGMA synchronous=FULL")
    connection: sqlite3.Connection = _own.sqlite
    return connection
