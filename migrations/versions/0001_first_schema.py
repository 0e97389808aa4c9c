"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
Moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes every table."""
    op.create_table(
        "deployments",
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=128), nullable=False),
        sa.Column("version", sa.String(length=256), nullable=True),
        sa.Column("commit", sa.String(length=64), nullable=True),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("environment", sa.String(length=128), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("actor", sa.String(length=256), nullable=True),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.PrimaryKeyConstraint("identity"),
    )
    op.create_index("ix_deployments_service", "deployments", ["service", "started_at"], unique=False)
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("open_key", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("service", sa.String(length=128), nullable=False),
        sa.Column("entity_ref", sa.String(length=256), nullable=True),
        sa.Column("title", sa.String(length=512), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("sender", sa.String(length=64), nullable=False),
        sa.Column("started_at", Moment, nullable=False),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("last_seen_at", Moment, nullable=False),
        sa.Column("finished_at", Moment, nullable=True),
        sa.Column("resolved_at", Moment, nullable=True),
        sa.Column("fire_count", sa.Integer(), nullable=False),
        sa.Column("truncated_alerts", sa.Integer(), nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("annotations", Json, nullable=False),
        sa.Column("links", Json, nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("closest", Json, nullable=False),
        sa.Column("previous_id", sa.String(length=40), nullable=True),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("brought", Json, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("open_key"),
    )
    op.create_index("ix_incidents_received", "incidents", ["received_at", "id"], unique=False)
    op.create_index("ix_incidents_service", "incidents", ["service", "received_at"], unique=False)
    op.create_index("ix_incidents_status", "incidents", ["status", "received_at"], unique=False)
    op.create_table(
        "alerts",
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("fingerprint", sa.String(length=256), nullable=False),
        sa.Column("firing", sa.Boolean(), nullable=False),
        sa.Column("title", sa.String(length=512), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("starts_at", Moment, nullable=True),
        sa.Column("ends_at", Moment, nullable=True),
        sa.Column("received_at", Moment, nullable=False),
        sa.Column("last_received_at", Moment, nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.Column("labels", Json, nullable=False),
        sa.Column("annotations", Json, nullable=False),
        sa.Column("errors", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("identity"),
    )
    op.create_index("ix_alerts_incident", "alerts", ["incident_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("started_at", Moment, nullable=True),
        sa.Column("gathered_at", Moment, nullable=True),
        sa.Column("brief_at", Moment, nullable=True),
        sa.Column("diagnosing_at", Moment, nullable=True),
        sa.Column("finished_at", Moment, nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("scope", Json, nullable=True),
        sa.Column("pending_sources", sa.Integer(), nullable=True),
        sa.Column("fact_count", sa.Integer(), nullable=False),
        sa.Column("brief", Json, nullable=True),
        sa.Column("diagnosis", Json, nullable=True),
        sa.Column("analysis", sa.Text(), nullable=True),
        sa.Column("prompt", Json, nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("model", sa.String(length=128), nullable=True),
        sa.Column("input_tokens", sa.Integer(), nullable=False),
        sa.Column("output_tokens", sa.Integer(), nullable=False),
        sa.Column("cached_tokens", sa.Integer(), nullable=False),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_id", "number"),
    )
    op.create_table(
        "coverage",
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("millis", sa.Integer(), nullable=True),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_id", "attempt", "source"),
    )
    op.create_table(
        "facts",
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=128), nullable=True),
        sa.Column("at", Moment, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("data", Json, nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("incident_id", "attempt", "number"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("created_at", Moment, nullable=False),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "work",
        sa.Column("id", sa.String(length=160), nullable=False),
        sa.Column("incident_id", sa.String(length=40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("due_at", Moment, nullable=False),
        sa.Column("deadline_at", Moment, nullable=True),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", Moment, nullable=False),
        sa.Column("finished_at", Moment, nullable=True),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_work_attempt", "work", ["incident_id", "attempt"], unique=False)
    op.create_index("ix_work_due", "work", ["state", "due_at"], unique=False)


def downgrade() -> None:
    """Drops every table, and all that was ever found out."""
    op.drop_index("ix_work_due", table_name="work")
    op.drop_index("ix_work_attempt", table_name="work")
    op.drop_table("work")
    op.drop_table("idempotency_keys")
    op.drop_table("facts")
    op.drop_table("coverage")
    op.drop_table("attempts")
    op.drop_index("ix_alerts_incident", table_name="alerts")
    op.drop_table("alerts")
    op.drop_index("ix_incidents_status", table_name="incidents")
    op.drop_index("ix_incidents_service", table_name="incidents")
    op.drop_index("ix_incidents_received", table_name="incidents")
    op.drop_table("incidents")
    op.drop_index("ix_deployments_service", table_name="deployments")
    op.drop_table("deployments")
