"""The catalog's names, which the page of manual analyses offers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A worker fills it within moments."""
    op.create_table(
        "catalog_names",
        sa.Column("name", sa.String(320), primary_key=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """The page offers no names then."""
    op.drop_table("catalog_names")
