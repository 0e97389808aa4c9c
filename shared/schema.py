"""The database's schema: bringing it up to date, and saying when it is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from shared.database import Database
from shared.errors import WhydownError

_log = structlog.get_logger(__name__)


class Unreachable(WhydownError):
    """The database does not answer."""


class SchemaBehind(WhydownError):
    """The database is not at the version that this code needs."""


def upgrade(database: Database) -> str:
    """Brings the schema up to date; gives the revision it is at then. Safe to run while an older version serves."""
    _run(database, lambda config: command.upgrade(config, "head"))
    return _head()


def downgrade(database: Database, revision: str) -> None:
    """Takes the schema back to `revision` (`base` for none at all), with the data of what is taken away."""
    _run(database, lambda config: command.downgrade(config, revision))


def check(database: Database) -> None:
    """Raises SchemaBehind when this code needs a later schema, Unreachable when nobody answers. A schema later than
    this code knows is fine: migrations run while the version before still serves.
    """
    try:
        with database.engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
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


@cache
def _earlier() -> frozenset[str]:
    script = ScriptDirectory.from_config(_config())
    return frozenset(step.revision for step in script.walk_revisions()) - {_head()}


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.set_main_option("path_separator", "os")
    return config


@cache
def _head() -> str:
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _run(database: Database, act: Callable[[Config], None]) -> None:
    config = _config()
    config.attributes["engine"] = database.engine
    act(config)
