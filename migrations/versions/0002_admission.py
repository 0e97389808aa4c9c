"""Attempts are admitted: only so many are under way at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Notes when an attempt was admitted; what was under way already counts as admitted."""
    op.add_column("attempts", sa.Column("admitted_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE attempts SET admitted_at = created_at")
    op.create_index("ix_attempts_open", "attempts", ["finished_at", "admitted_at"])
    op.create_index("ix_work_kind", "work", ["kind", "state", "created_at"])


def downgrade() -> None:
    """Nobody waits for admission any more."""
    op.drop_index("ix_work_kind", table_name="work")
    op.drop_index("ix_attempts_open", table_name="attempts")
    op.execute("UPDATE work SET state = 'pending' WHERE state = 'waiting'")
    op.drop_column("attempts", "admitted_at")
