"""The schema's history, for Alembic. `whydown migrate` runs it; tests run it up and down on SQLite and PostgreSQL."""
