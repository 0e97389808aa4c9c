"""The database's schema: bringing it up to date, and saying when it is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import inspect, text
from sqlalchemy.exc import SQLAlchemyError

from shared.database import Database
from shared.errors import WhydownError

if TYPE_CHECKING:
    from alembic.config import Config

_log = structlog.get_logger(__name__)


class Unreachable(WhydownError):
    """The database does not answer."""


class SchemaBehind(WhydownError):
    """The database is not at the version that this code needs."""


def upgrade(database: Database) -> str:
    """Brings the schema up to date; gives the revision it is at then. Safe to run while an older version serves."""
    from alembic import command  # noqa: PLC0415 - nobody else needs Alembic, which takes long to import

    _run(database, lambda config: command.upgrade(config, "head"))
    return _head()


def downgrade(database: Database, revision: str) -> None:
    """Takes the schema back to `revision` (`base` for none at all), with the data of what is taken away."""
    from alembic import command  # noqa: PLC0415 - as above

    _run(database, lambda config: command.downgrade(config, revision))


def check(database: Database) -> None:
    """Raises SchemaBehind when this code needs a later schema, Unreachable when nobody answers. A schema later than
    this code knows is fine: migrations run while the version before still serves.
    """
    try:
        with database.engine.connect() as connection:
            known = inspect(connection).has_table("alembic_version")
            current = connection.scalar(text("SELECT version_num FROM alembic_version")) if known else None
    except SQLAlchemyError as failure:
        reason = type(failure).__name__
        raise Unreachable(f"the database cannot be reached ({reason}): check WHYDOWN_DATABASE_URL") from None
    if current is None or current in _earlier():
        needed = f"this version needs {_head()}: run `whydown migrate`"
        raise SchemaBehind(f"the database is at schema {current or 'none'}, {needed}")


def check_at_start(database: Database) -> None:
    """For processes that are about to serve: raises SchemaBehind, and lets a database that is away come back later."""
    try:
        check(database)
    except Unreachable as away:
        _log.warning("database_unreachable", reason=str(away))


def _earlier() -> frozenset[str]:
    return frozenset(_revisions()) - {_head()}


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    return config


def _head() -> str:
    return max(_revisions())


@cache
def _revisions() -> tuple[str, ...]:
    """Every migration's file begins with its revision, and they follow each other in order."""
    names = (each.name for each in files("migrations").joinpath("versions").iterdir())
    return tuple(name.partition("_")[0] for name in names if name[:1].isdigit() and name.endswith(".py"))


def _run(database: Database, act: Callable[[Config], None]) -> None:
    config = _config()
    config.attributes["engine"] = database.engine
    act(config)
