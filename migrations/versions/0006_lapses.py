"""A lease that ran out is counted by itself, and is no try of the work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The version before writes rows without it."""
    op.add_column("work", sa.Column("lapses", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Nobody counts them any more."""
    op.drop_column("work", "lapses")
