"""Switched flags are reported like deploys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two columns that the version before does not know and need not fill."""
    op.add_column("deployments", sa.Column("flag", sa.String(256), nullable=True))
    op.add_column("deployments", sa.Column("change", sa.String(128), nullable=True))


def downgrade() -> None:
    """What was switched is forgotten."""
    op.drop_column("deployments", "change")
    op.drop_column("deployments", "flag")
