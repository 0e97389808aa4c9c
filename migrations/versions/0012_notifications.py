"""What recipients of pushes keep from one to the next, and that only one is under way."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The version before pushes results alone, and keeps nothing of them."""
    op.create_table(
        "notifications",
        sa.Column("incident_id", sa.String(40), sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("recipient", sa.String(40), primary_key=True),
        sa.Column("kept", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("busy_with", sa.String(64)),
        sa.Column("busy_until", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    """Messages that were sent are not changed any more."""
    op.drop_table("notifications")
