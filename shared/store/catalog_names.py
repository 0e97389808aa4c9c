"""The catalog's names, as workers last read them: the receiver asks no catalog, and its pages offer them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import delete, func, select, text, update

from shared.database import Database, insert_unless_there
from shared.moment import now
from shared.tables import CatalogNameRow

MOST: Final = 20_000
"""Names that are kept."""

_AT_ONCE: Final = 500

_LOCK: Final = 0x77687965
"""The advisory lock of those who keep names: two of them would take the rows' locks in different orders."""


def read_at(database: Database) -> datetime | None:
    """When the names that are kept were read; None while there are none."""
    with database.reading() as session:
        return session.scalar(select(func.max(CatalogNameRow.read_at)))


def keep(database: Database, names: Sequence[str]) -> None:
    """Keeps `names`, and forgets those that are not among them. Two workers may do so at the same time."""
    moment, kept = now(), sorted(set(names))[:MOST]
    with database.writing() as session:
        if not database.is_sqlite:  # SQLite's writers come one at a time anyway
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        for first in range(0, len(kept), _AT_ONCE):
            some = kept[first : first + _AT_ONCE]
            there = update(CatalogNameRow).where(CatalogNameRow.name.in_(some)).values(read_at=moment)
            known = set(session.scalars(there.returning(CatalogNameRow.name)))
            for name in some:
                if name not in known:
                    insert_unless_there(session, CatalogNameRow, {"name": name, "read_at": moment})
        session.execute(delete(CatalogNameRow).where(CatalogNameRow.read_at < moment))


def named(database: Database, holding: str, most: int) -> tuple[str, ...]:
    """At most so many names that hold `holding`, in the order of the alphabet."""
    query = select(CatalogNameRow.name).order_by(CatalogNameRow.name).limit(most)
    with database.reading() as session:
        return tuple(session.scalars(query.where(CatalogNameRow.name.icontains(holding, autoescape=True))))
