"""Alembic's entry: runs the migrations on the engine that `shared.schema` hands over."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine

from shared.tables import Base

engine: Engine = context.config.attributes["engine"]

with engine.connect() as connection:
    # Batch mode: SQLite alters a table by copying it (https://alembic.sqlalchemy.org/en/latest/batch.html).
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
