"""Inquiries as the investigation puts them to sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.deploy import Deploy
from worker.inquiry import Inquiry, Scope, Target, Window

ALERT = datetime(2026, 11, 23, 3, 12, tzinfo=UTC)
WINDOW = Window(
    alert_at=ALERT,
    changes_since=ALERT - timedelta(hours=48),
    baseline_since=ALERT - timedelta(minutes=90),
    logs_since=ALERT - timedelta(minutes=30),
    until=ALERT + timedelta(minutes=10),
)
INVOICE = Target(service="invoice-api", role="alerted", repository="acme/invoice-api")
LEDGER = Target(service="ledger", role="dependency", repository="acme/ledger")


def inquiry(*targets: Target, deploys: tuple[Deploy, ...] = ()) -> Inquiry:
    """A question about those targets, the invoice-api by default."""
    scope = Scope(targets=targets or (INVOICE,), window=WINDOW)
    return Inquiry(scope=scope, title="invoice-api answers 500", deploys=deploys)
