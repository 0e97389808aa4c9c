"""What is over stands in no index of what is open. A step of its own: one that was ended half way can be run again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_incidents_covering", "incidents", ["covered_by"], "covered_by IS NOT NULL"),
    ("ix_attempts_under_way", "attempts", ["service"], "finished_at IS NULL AND admitted_at IS NOT NULL"),
    ("ix_attempts_finished", "attempts", ["finished_at"], "finished_at IS NOT NULL"),
    ("ix_work_line", "work", ["rank", "service", "created_at"], "state = 'waiting'"),
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
    """Until the version before has gone, its looks at what is to be done read more than they must."""
    with op.get_context().autocommit_block():
        if op.get_bind().dialect.name == "postgresql":
            op.execute("SET statement_timeout = 0")  # it takes as long as there are incidents
        for name, table, columns, of in _INDEXES:
            # Half built, by a try that was ended.
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
            where = sa.text(of)
            op.create_index(
                name, table, columns, sqlite_where=where, postgresql_where=where, postgresql_concurrently=True
            )
        for name, table, _ in _BEFORE:
            op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)


def downgrade() -> None:
    """Each look at what waits compares all of it again."""
    for name, table, columns in _BEFORE:
        op.create_index(name, table, columns)
    for name, table, _, _ in _INDEXES:
        op.drop_index(name, table_name=table)
