"""What waits knows its turn by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The version before writes rows without the columns: those wait as a service of their own, like warnings."""
    op.add_column("work", sa.Column("rank", sa.Integer(), nullable=False, server_default="2"))
    for table in ("work", "attempts"):
        op.add_column(table, sa.Column("service", sa.String(128), nullable=False, server_default=""))
    ranks = "CASE severity WHEN 'critical' THEN 0 WHEN 'high' THEN 1 WHEN 'info' THEN 3 ELSE 2 END"
    mine = "FROM incidents WHERE incidents.id = incident_id"
    turn = f"rank = (SELECT {ranks} {mine}), service = (SELECT service {mine})"
    op.execute(f"UPDATE work SET {turn} WHERE state = 'waiting'")  # noqa: S608
    op.execute(f"UPDATE attempts SET service = (SELECT service {mine}) WHERE finished_at IS NULL")  # noqa: S608


def downgrade() -> None:
    """It is looked up for all that wait."""
    op.drop_column("attempts", "service")
    op.drop_column("work", "service")
    op.drop_column("work", "rank")
