"""The tables. What each row promises stands beside it; the migrations in `migrations/` build the same."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    and_,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.database import UtcDateTime

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Base(DeclarativeBase):
    """What every table has in common."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012


class IncidentRow(Base):
    """One trouble of one service. Its row is committed before any 202 that names it."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("ix_incidents_received", "received_at", "id"),
        Index("ix_incidents_service", "service", "received_at"),
        Index("ix_incidents_status", "status", "received_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    open_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Equal for alerts that are the same trouble; held by the one incident that new firings may still join."""
    status: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int] = mapped_column(Integer, default=1)
    """Grows with every visible change: the ETag."""
    service: Mapped[str] = mapped_column(String(128))
    entity_ref: Mapped[str | None] = mapped_column(String(256))
    title: Mapped[str] = mapped_column(String(512))
    severity: Mapped[str] = mapped_column(String(16))
    sender: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime]
    received_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    fire_count: Mapped[int] = mapped_column(Integer, default=1)
    truncated_alerts: Mapped[int] = mapped_column(Integer, default=0)
    labels: Mapped[dict[str, Any]]
    annotations: Mapped[dict[str, Any]]
    links: Mapped[list[Any]]
    detail: Mapped[str | None] = mapped_column(Text)
    closest: Mapped[list[Any]]
    previous_id: Mapped[str | None] = mapped_column(String(40))
    covered_by: Mapped[str | None] = mapped_column(String(40))
    """The incident whose analysis covers this one; that one is covered by none."""
    callback_url: Mapped[str | None] = mapped_column(Text)
    brought: Mapped[dict[str, Any] | None]
    """The context that the caller of /api/incident/analyze brought along: then nothing is gathered."""
    attempt: Mapped[int] = mapped_column(Integer, default=1)
    """The number of the current attempt."""


class AlertRow(Base):
    """One firing of one alert, however often it was delivered."""

    __tablename__ = "alerts"
    __table_args__ = (Index("ix_alerts_incident", "incident_id"), Index("ix_alerts_fingerprint", "fingerprint"))

    identity: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Hash of sender, fingerprint and start: a second delivery of the same firing finds this row."""
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    fingerprint: Mapped[str] = mapped_column(String(256))
    firing: Mapped[bool]
    title: Mapped[str] = mapped_column(String(512))
    severity: Mapped[str] = mapped_column(String(16))
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    received_at: Mapped[datetime]
    last_received_at: Mapped[datetime]
    deliveries: Mapped[int] = mapped_column(Integer, default=1)
    labels: Mapped[dict[str, Any]]
    annotations: Mapped[dict[str, Any]]
    errors: Mapped[str | None] = mapped_column(Text)


class AttemptRow(Base):
    """One run of the investigation of one incident, with at most one diagnosis: its primary key sees to that."""

    __tablename__ = "attempts"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    created_at: Mapped[datetime]
    admitted_at: Mapped[datetime | None]
    """When its turn came: only so many are under way at once."""
    started_at: Mapped[datetime | None]
    gathered_at: Mapped[datetime | None]
    brief_at: Mapped[datetime | None]
    """When the first brief was stored."""
    diagnosing_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    scope: Mapped[dict[str, Any] | None]
    """Whom to look at and when, once the catalog has answered."""
    pending_sources: Mapped[int | None] = mapped_column(Integer)
    """Sources still out. The one that brings it to 0 starts the next stage."""
    fact_count: Mapped[int] = mapped_column(Integer, default=0)
    """The last number that a fact was given."""
    brief: Mapped[dict[str, Any] | None]
    diagnosis: Mapped[dict[str, Any] | None]
    analysis: Mapped[str | None] = mapped_column(Text)
    prompt: Mapped[list[Any] | None]
    """The messages that were sent to the model."""
    reply: Mapped[str | None] = mapped_column(Text)
    """The model's raw reply."""
    model: Mapped[str | None] = mapped_column(String(128))
    input_tokens: Mapped[int] = mapped_column(Integer, default=0)
    output_tokens: Mapped[int] = mapped_column(Integer, default=0)
    cached_tokens: Mapped[int] = mapped_column(Integer, default=0)
    cost_usd: Mapped[float | None] = mapped_column(Float)
    calls: Mapped[int] = mapped_column(Integer, default=0)
    service: Mapped[str] = mapped_column(String(128), default="", server_default="")
    """Whose turn it takes, by the name that the incident had when it was asked for: the catalog may know another."""


class FactRow(Base):
    """One gathered fact of one attempt."""

    __tablename__ = "facts"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The n of `F<n>`, in the order of arrival."""
    source: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    service: Mapped[str | None] = mapped_column(String(128))
    at: Mapped[datetime | None]
    text: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    count: Mapped[int | None] = mapped_column(Integer)
    data: Mapped[dict[str, Any]]


class CoverageRow(Base):
    """What came of asking one source in one attempt."""

    __tablename__ = "coverage"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    source: Mapped[str] = mapped_column(String(64), primary_key=True)
    status: Mapped[str] = mapped_column(String(16))
    millis: Mapped[int | None] = mapped_column(Integer)
    items: Mapped[int] = mapped_column(Integer, default=0)
    detail: Mapped[str | None] = mapped_column(Text)


class WorkRow(Base):
    """A piece of work that somebody must do. The row is the promise; the queue only says where to look.

    waiting (an attempt whose turn has not come) -> pending -> running -> done; running -> pending again when its lease
    runs out or it asks for another try; -> cancelled when it became pointless.
    """

    __tablename__ = "work"
    __table_args__ = (Index("ix_work_attempt", "incident_id", "attempt"),)

    id: Mapped[str] = mapped_column(String(160), primary_key=True)
    """`<incident>.<attempt>.<kind>[.<subject>]`: made twice, it is still one row."""
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64), default="")
    state: Mapped[str] = mapped_column(String(12), default="pending")
    due_at: Mapped[datetime]
    """Pending: publish it again when this has passed. Running: the lease; who holds it renews it."""
    deadline_at: Mapped[datetime | None]
    """When others stop waiting for it, whatever it does."""
    owner: Mapped[str | None] = mapped_column(String(64))
    """The fencing token of the claim in force."""
    tries: Mapped[int] = mapped_column(Integer, default=0)
    """How often it was tried, without the times that were not its fault."""
    lapses: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    """How often its lease ran out."""
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    rank: Mapped[int] = mapped_column(Integer, default=2, server_default="2")
    """Of what waits: how urgent its incident is, 0 the most."""
    service: Mapped[str] = mapped_column(String(128), default="", server_default="")
    """Of what waits: the service that takes turns with others."""


class NotificationRow(Base):
    """One recipient of an incident's pushes."""

    __tablename__ = "notifications"

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    recipient: Mapped[str] = mapped_column(String(40), primary_key=True)
    kept: Mapped[dict[str, Any]]
    """What the next push has to know of the last: where the message is that it changes. Empty: each stands alone."""
    busy_with: Mapped[str | None] = mapped_column(String(64))
    """The owner of the push that is under way."""
    busy_until: Mapped[datetime | None]
    """When another may begin, whatever has become of it."""


class ModelCallRow(Base):
    """One call of the model. It outlives its incident: what was spent was spent."""

    __tablename__ = "model_calls"
    __table_args__ = (Index("ix_model_calls_day", "day"), Index("ix_model_calls_incident", "incident_id"))

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    day: Mapped[str] = mapped_column(String(10))
    """`2026-11-23`, in UTC."""
    at: Mapped[datetime]
    incident_id: Mapped[str] = mapped_column(String(40))
    attempt: Mapped[int] = mapped_column(Integer)
    service: Mapped[str] = mapped_column(String(128))
    provider: Mapped[str] = mapped_column(String(64))
    model: Mapped[str] = mapped_column(String(128))
    settled: Mapped[bool] = mapped_column(default=False)
    """False while it is under way, and for ever when its worker died: then the tokens are an estimate."""
    input_tokens: Mapped[int] = mapped_column(Integer)
    output_tokens: Mapped[int] = mapped_column(Integer, default=0)
    cached_tokens: Mapped[int] = mapped_column(Integer, default=0)
    cost_usd: Mapped[float | None] = mapped_column(Float)
    """NULL where the model's price is not known."""


class SignatureRow(Base):
    """One error signature that one incident showed, in any of its attempts."""

    __tablename__ = "signatures"
    __table_args__ = (Index("ix_signatures_key", "key", "started_at"),)

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Equal for the same signature of the same service."""
    started_at: Mapped[datetime]
    """The incident's."""


class FeedbackRow(Base):
    """One judgement of one incident. They are kept; the one with the highest number counts."""

    __tablename__ = "feedback"
    __table_args__ = (Index("ix_feedback_at", "at"),)

    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer)
    """The attempt whose diagnosis was judged."""
    verdict: Mapped[str] = mapped_column(String(8))
    actual_cause: Mapped[str | None] = mapped_column(Text)
    fixed_by: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime]


class DeploymentRow(Base):
    """A deploy that somebody told us about by POST /deployments."""

    __tablename__ = "deployments"
    __table_args__ = (Index("ix_deployments_service", "service", "started_at"),)

    identity: Mapped[str] = mapped_column(String(64), primary_key=True)
    service: Mapped[str] = mapped_column(String(128))
    version: Mapped[str | None] = mapped_column(String(256))
    commit: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime]
    received_at: Mapped[datetime]
    environment: Mapped[str | None] = mapped_column(String(128))
    url: Mapped[str | None] = mapped_column(Text)
    actor: Mapped[str | None] = mapped_column(String(256))
    action: Mapped[str] = mapped_column(String(16), default="deployed")
    """`deployed`, `upgraded`, `rolledback` or `removed`."""
    flag: Mapped[str | None] = mapped_column(String(256))
    """The flag that was switched, when it was no deploy of a version."""
    change: Mapped[str | None] = mapped_column(String(128))


class IdempotencyRow(Base):
    """An Idempotency-Key that was used, and what it made."""

    __tablename__ = "idempotency_keys"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Hash of route and key."""
    body_digest: Mapped[str] = mapped_column(String(64))
    incident_id: Mapped[str] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]


class InstallationRow(Base):
    """A value that one installation keeps for itself."""

    __tablename__ = "installation"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(Text)


class CatalogNameRow(Base):
    """A name that the catalog knew when it was last read."""

    __tablename__ = "catalog_names"

    name: Mapped[str] = mapped_column(String(320), primary_key=True)
    """As a manual analysis takes it: bare in the default namespace, else the full ref."""
    read_at: Mapped[datetime]


def _word(text: str) -> ColumnElement[str]:
    """Stands in the statement itself: a plan that is made once for all values could not know that an index is meant."""
    return literal_column(f"'{text}'", String)


WAITS: Final = WorkRow.state == _word("waiting")
"""Work whose turn has not come. These conditions are those of indexes, and the queries that go by them."""
IN_HAND: Final = WorkRow.state.in_([_word("pending"), _word("running")])
"""Work that somebody does, or is to take up."""
IS_PUSH: Final = WorkRow.kind == _word("deliver")
UNDER_WAY: Final = and_(AttemptRow.finished_at.is_(None), AttemptRow.admitted_at.is_not(None))
"""Attempts that were admitted and are not over."""


def _partial(name: str, *columns: Any, of: ColumnElement[bool]) -> None:
    """An index of some rows only: the others, nearly all, cost nothing when they are written."""
    Index(name, *columns, sqlite_where=of, postgresql_where=of)


_partial("ix_incidents_covering", IncidentRow.covered_by, of=IncidentRow.covered_by.is_not(None))
_partial("ix_attempts_under_way", AttemptRow.service, of=UNDER_WAY)
_partial("ix_attempts_finished", AttemptRow.finished_at, of=AttemptRow.finished_at.is_not(None))
_partial("ix_work_line", WorkRow.rank, WorkRow.service, WorkRow.created_at, of=WAITS)
_partial("ix_work_in_hand", WorkRow.due_at, of=IN_HAND)
_partial("ix_work_pushes", WorkRow.state, of=IS_PUSH)
