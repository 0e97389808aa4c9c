"""An incident may be covered by the analysis of another."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The version before writes rows without it."""
    op.add_column("incidents", sa.Column("covered_by", sa.String(40), nullable=True))
    with op.get_context().autocommit_block():
        if op.get_bind().dialect.name == "postgresql":
            op.execute("SET statement_timeout = 0")  # it takes as long as there are incidents
        op.create_index("ix_incidents_covered", "incidents", ["covered_by"], postgresql_concurrently=True)


def downgrade() -> None:
    """Each stands for itself again."""
    op.drop_index("ix_incidents_covered", table_name="incidents")
    op.drop_column("incidents", "covered_by")
