"""What waits knows its turn by itself, and what is over stands in no index of what is not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_WAITS = "state = 'waiting'"
_INDEXES = (
    ("ix_incidents_covering", "incidents", ["covered_by"], "covered_by IS NOT NULL"),
    ("ix_attempts_under_way", "attempts", ["service"], "finished_at IS NULL AND admitted_at IS NOT NULL"),
    ("ix_attempts_finished", "attempts", ["finished_at"], "finished_at IS NOT NULL"),
    ("ix_work_line", "work", ["rank", "service", "created_at"], _WAITS),
    ("ix_work_in_hand", "work", ["due_at"], "state IN ('pending', 'running')"),
    ("ix_work_pushes", "work", ["state"], "kind = 'deliver'"),
)
_BEFORE = (
    ("ix_incidents_covered", "incidents", ["covered_by"]),
    ("ix_attempts_open", "attempts", ["finished_at", "admitted_at"]),
    ("ix_work_due", "work", ["state", "due_at"]),
    ("ix_work_kind", "work", ["kind", "state", "created_at"]),
)


def upgrade() -> None:
    """The version before writes rows without the columns: those wait as a service of their own, like warnings. Until it
    has gone, its looks at what is to be done read more than they must.
    """
    op.add_column("work", sa.Column("rank", sa.Integer(), nullable=False, server_default="2"))
    for table in ("work", "attempts"):
        op.add_column(table, sa.Column("service", sa.String(128), nullable=False, server_default=""))
    ranks = "CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'info' THEN 3 ELSE 2 END"
    mine = "FROM incidents WHERE incidents.id = incident_id"
    op.execute(f"UPDATE work SET rank = (SELECT {ranks} {mine}), service = (SELECT service {mine}) WHERE {_WAITS}")  # noqa: S608
    op.execute(f"UPDATE attempts SET service = (SELECT service {mine}) WHERE finished_at IS NULL")  # noqa: S608
    with op.get_context().autocommit_block():
        postgresql = op.get_bind().dialect.name == "postgresql"
        if postgresql:
            op.execute("SET statement_timeout = 0")  # it takes as long as there are incidents
        for name, table, columns, of in _INDEXES:
            if postgresql:
                op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # half built, by a try that was ended
            where = sa.text(of)
            op.create_index(
                name, table, columns, sqlite_where=where, postgresql_where=where, postgresql_concurrently=True
            )
        for name, table, _ in _BEFORE:
            op.drop_index(name, table_name=table, postgresql_concurrently=True)


def downgrade() -> None:
    """Each look at what waits compares all of it again."""
    for name, table, columns in _BEFORE:
        op.create_index(name, table, columns)
    for name, table, _, _ in _INDEXES:
        op.drop_index(name, table_name=table)
    op.drop_column("attempts", "service")
    op.drop_column("work", "service")
    op.drop_column("work", "rank")
