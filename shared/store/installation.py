"""What one installation keeps for itself: values that every process may need and nobody else is told."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from shared.database import Database, insert_unless_there
from shared.moment import now, parse_time, rfc3339
from shared.tables import InstallationRow

_REDACTION: Final = "redaction-key"
_RECONCILED: Final = "reconciled-at"


def redaction_key(database: Database) -> bytes:
    """The key of the placeholders, made by whoever asks first. Raises sqlalchemy.exc.SQLAlchemyError."""
    kept = select(InstallationRow.value).where(InstallationRow.name == _REDACTION)
    with database.reading() as session:
        value = session.scalar(kept)
    if value is None:
        with database.writing() as session:
            insert_unless_there(session, InstallationRow, {"name": _REDACTION, "value": secrets.token_hex(32)})
            value = session.scalars(kept).one()
    return bytes.fromhex(value)


def reconciled(database: Database) -> None:
    """Notes that periodic work was done just now. Raises sqlalchemy.exc.SQLAlchemyError."""
    moment = rfc3339(now())
    with database.writing() as session:
        if not insert_unless_there(session, InstallationRow, {"name": _RECONCILED, "value": moment}):
            session.execute(update(InstallationRow).where(InstallationRow.name == _RECONCILED).values(value=moment))


def last_reconciled(database: Database) -> datetime | None:
    """When periodic work was done last; None when it never was. Raises sqlalchemy.exc.SQLAlchemyError."""
    with database.reading() as session:
        return parse_time(session.scalar(select(InstallationRow.value).where(InstallationRow.name == _RECONCILED)))
