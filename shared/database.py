"""The database connection: PostgreSQL in production, SQLite by default. One block, one transaction."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from sqlalchemy import DateTime, Dialect, Engine, Executable, PoolProxiedConnection, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from shared.moment import Deadline, utc
from shared.transaction import Change, Insertion, Transaction, as_sqlalchemy_has_it


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite keeps no zone, so it is put back when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC on the way in; a naive value is a programming error."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the database")
        value = utc(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """UTC on the way out."""
        return None if value is None else utc(value)


class Database:
    """Sessions on one database. Safe to share between threads; make a new one after a fork."""

    def __init__(
        self, url: str, most_connections: int = 20, trusted_seconds: float = 0.0, planned_once: bool = False
    ) -> None:
        """`url` is SQLAlchemy's; `most_connections` bounds those that this process holds on PostgreSQL. One that was
        used less than `trusted_seconds` ago is used again without a look whether it lives: that saves a round trip for
        every transaction, and is for those who try again when it does not. `planned_once` is for those whose statements
        are always the same and go by indexes, as the workers' do.
        """
        self.url = url
        is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = (
            _sqlite(url)
            if is_sqlite
            else _server(url, most_connections, trusted_seconds, _PLANNED_ONCE if planned_once else "")
        )
        self._for_single: Engine | None = None
        self._kept: list[PoolProxiedConnection] = []
        """The one that was first lent as the driver's, while nobody uses it."""
        self._first = threading.Lock()

    @property
    def is_sqlite(self) -> bool:
        """Whether this is the embedded default."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed when the block ends well, and rolled back otherwise.

        On SQLite it takes the write lock at its start: taken later, between a read and a write, it could fail
        with SQLITE_BUSY whatever the timeout (https://www.sqlite.org/isolation.html).
        """
        with Session(self._for_writing(), expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """As `writing`, for statements so frequent that SQLAlchemy's part would take as long as theirs."""
        with self._lent(self.engine) as connection:
            if self.is_sqlite:
                connection.execute("BEGIN IMMEDIATE")  # PostgreSQL's driver begins by itself
            yield Transaction(connection, self.engine.dialect)
            connection.commit()  # what is not committed is rolled back where the connection is kept

    def together(self, *changes: Change | Insertion) -> None:
        """`Transaction.together`, as a transaction of its own. On PostgreSQL one statement is one by itself: to begin
        and to end it would cost as much as two more. So what is required comes first, and of that only the last may
        change anything: where it finds no row, nothing is to be taken back.
        """
        required = [change for change in changes if isinstance(change, Change) and change.otherwise is not None]
        if changes[: len(required)] != tuple(required) or any(each.statement.is_dml for each in required[:-1]):
            raise ValueError("what is required comes first, and of that only the last may change anything")
        with self.transaction() if self.is_sqlite else self.looking() as transaction:
            transaction.together(*changes)

    @contextmanager
    def looking(self) -> Iterator[Transaction]:
        """As `transaction`, for single statements: each is a transaction of its own."""
        with self._lent(self.engine) as connection:
            if self.is_sqlite:  # whose connections begin nothing by themselves
                yield Transaction(connection, self.engine.dialect)
                return
            connection.autocommit = True
            try:
                yield Transaction(connection, self.engine.dialect)
            finally:
                if not connection.closed:
                    connection.autocommit = False

    @contextmanager
    def driver(self) -> Iterator[Any]:
        """The driver's own connection, with settings for statements that are always the same. It raises what SQLAlchemy
        would. Nothing is begun: on PostgreSQL each statement is a transaction of its own. What the block begins it must
        end.
        """
        engine = self.engine if self.is_sqlite else self._single()
        first = self._first.acquire(blocking=False)
        try:
            with self._lent(engine, self._kept if first else None) as connection:
                yield connection
        finally:
            if first:
                self._first.release()

    @contextmanager
    def _lent(self, engine: Engine, kept: list[PoolProxiedConnection] | None = None) -> Iterator[Any]:
        """The driver's own connection, from a pool. Where it may be `kept` it does not go back there until something
        goes wrong with it, as that takes longer than a small statement.
        """
        connection = None
        try:
            connection = kept.pop() if kept else engine.raw_connection()
            yield connection.dbapi_connection
            if kept is not None:
                kept.append(connection)
                connection = None
        except DBAPIError as failure:
            if connection is not None and failure.connection_invalidated:
                connection.invalidate(failure)
            raise
        except engine.dialect.loaded_dbapi.Error as failure:
            wrapped = as_sqlalchemy_has_it(failure, connection and connection.dbapi_connection, engine.dialect)
            if connection is not None and wrapped.connection_invalidated:
                connection.invalidate(failure)
            raise wrapped from failure
        finally:
            if connection is not None:
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Gives every connection back."""
        while self._kept:
            self._kept.pop().close()
        self.engine.dispose()
        if self._for_single is not None:
            self._for_single.dispose()

    def _single(self) -> Engine:
        if self._for_single is None:
            self._for_single = _server(
                self.url,
                2,
                math.inf,  # it is sent once more where the connection has ended
                _PLANNED_ONCE,
                pool_reset_on_return=None,
                isolation_level="AUTOCOMMIT",
            )
        return self._for_single

    def _for_writing(self) -> Engine:
        return self.engine.execution_options(**{_WRITES: True}) if self.is_sqlite else self.engine


def is_away(failure: BaseException) -> bool:
    """Whether the database could not serve at all (gone, full, locked, overloaded), whatever it was asked. What it
    refuses for its content (a DataError, a broken constraint) would be refused again.
    """
    return isinstance(failure, OperationalError | InterfaceError | InternalError | NoConnectionFree)


def insert_unless_there(session: Session, table: type[DeclarativeBase], values: dict[str, Any]) -> bool:
    """Inserts a row unless a unique key of it is taken; says whether it did. Waits for a rival to commit."""
    statement = _insert_unless_there(table, session.get_bind().dialect.name)
    return session.execute(statement, values).first() is not None


@cache
def _insert_unless_there(table: type[DeclarativeBase], dialect: str) -> Executable:
    # Without the ORM, and built once: that takes longer than to run it.
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    plain = cast("Table", table.__table__)
    return insert(plain).on_conflict_do_nothing().returning(*plain.primary_key.columns)


_WRITES = "whydown_writes"


_PLANNED_ONCE: Final = " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
"""A statement that is always the same and goes by indexes: planning it anew takes as long as doing it, and a plan that
was made while a table was small must be good when it has grown.
"""


def _server(url: str, most_connections: int, trusted_seconds: float, settings: str = "", **options: Any) -> Engine:
    # A database that stops answering must become an error within seconds, never a request that hangs.
    connect_args = {"connect_timeout": 5, "options": f"-c statement_timeout=30000 -c lock_timeout=10000{settings}"}
    # None is closed for being one too many: a new one costs more than all that an investigation asks. The last one
    # given back is the next one lent, as it has prepared most statements.
    engine = create_engine(
        url,
        pool_size=most_connections,
        max_overflow=0,
        pool_use_lifo=True,
        connect_args=connect_args,
        hide_parameters=True,
        **options,
    )
    _try_connections(engine, trusted_seconds)
    return engine


def _try_connections(engine: Engine, trusted_seconds: float) -> None:
    """Makes a pool try a connection before it is used: the server may have ended it meanwhile. As `pool_pre_ping` does,
    but for those that were used a moment ago.
    """

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["used"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def check(connection: Any, record: Any, _fairy: Any) -> None:
        used = record.info.get("used")
        if used is not None and time.monotonic() - used > trusted_seconds:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as ended:
                raise InvalidatePoolError from ended  # the others were ended too; this one is made anew


_SQLITE_SECONDS: Final = 30.0
"""So long a connection waits for others to be done with the file."""

_LOG_PAUSE_SECONDS: Final = 0.01
_PRIMARY: Final = 0xFF
"""The bits of an error's code that say what it is; the others say more about it: https://www.sqlite.org/rescode.html."""

_PRAGMAS: Final = (
    "synchronous=FULL",
    # Pages, of which an alert writes some twenty: whoever fills the log up waits for it to be written back.
    "wal_autocheckpoint=4000",
    f"busy_timeout={_SQLITE_SECONDS * 1000:.0f}",
    "foreign_keys=ON",
)


def _sqlite(url: str) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": _SQLITE_SECONDS}, hide_parameters=True, paramstyle="named")

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not open transactions of its own
        cursor = connection.cursor()
        _keep_a_log(cursor)
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _keep_a_log(cursor: Any) -> None:
    """Turns the file to write-ahead logging, where it is not yet. For that alone SQLite does not wait until others have
    left a new file, whatever the timeout; and what is started together opens it together.
    """
    deadline = Deadline.after(_SQLITE_SECONDS)
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as failure:
            if failure.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_BUSY or deadline.passed():
                raise
            time.sleep(_LOG_PAUSE_SECONDS)
        else:
            return
