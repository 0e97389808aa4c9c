"""The signatures of every incident are kept by key, to find incidents like it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of its own, filled from now on: the version before neither sees nor misses it."""
    op.create_table(
        "signatures",
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=40), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_id", "key"),
    )
    op.create_index("ix_signatures_key", "signatures", ["key", "started_at"])


def downgrade() -> None:
    """Forgets them."""
    op.drop_index("ix_signatures_key", table_name="signatures")
    op.drop_table("signatures")
