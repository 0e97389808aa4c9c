"""What one installation keeps for itself: values that every process needs and nobody else may know."""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import select

from shared.database import Database, insert_unless_there
from shared.tables import InstallationRow

_REDACTION: Final = "redaction-key"


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
