"""A resolved alert that has lost its service finds its incident by its fingerprint, without a look at all alerts."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """On PostgreSQL beside whoever writes: the version before goes on serving."""
    with op.get_context().autocommit_block():
        if op.get_bind().dialect.name == "postgresql":
            op.execute("SET statement_timeout = 0")  # it takes as long as there are alerts
            op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_alerts_fingerprint")  # half built, by a try that was ended
        op.create_index("ix_alerts_fingerprint", "alerts", ["fingerprint"], postgresql_concurrently=True)


def downgrade() -> None:
    """The look is slow again."""
    op.drop_index("ix_alerts_fingerprint", table_name="alerts")
