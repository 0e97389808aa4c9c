"""Statements of SQLAlchemy's by the driver alone: for those so frequent that its part of running one would take as long
as the database's. They are written as everywhere else, built once, and compiled once for each engine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, cast

from sqlalchemy import Dialect, Executable
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeEngine

Values = Mapping[str, Any]
Row = tuple[Any, ...]
Taken = Literal["kept", "replaced"]
"""What becomes of a row whose key is taken: it stays as it is, or gets the new values."""

_MOST_STATEMENTS: Final = 500


class Transaction:
    """One transaction of one connection. Whoever makes it ends it."""

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        """`connection` is the driver's own."""
        self._cursor = connection.cursor()
        self._dialect = dialect

    @classmethod
    def of(cls, session: Session) -> Transaction:
        """The transaction that a session is in."""
        session.flush()
        return cls(session.connection().connection.dbapi_connection, session.get_bind().dialect)

    def rows(self, statement: Executable, values: Values) -> list[Row]:
        """What a statement gives that is built once. Raises sqlalchemy.exc.DBAPIError, as all that follow do."""
        compiled = _compiled(statement, self._dialect)
        self._run(compiled.text, compiled.bound(values))
        return compiled.rows(self._cursor.fetchall())

    def row(self, statement: Executable, values: Values) -> Row | None:
        """Its first row."""
        return next(iter(self.rows(statement, values)), None)

    def one(self, statement: Executable, values: Values) -> Row:
        """Its first row. Raises sqlalchemy.exc.NoResultFound when there is none."""
        found = self.row(statement, values)
        if found is None:
            raise NoResultFound
        return found

    def count(self, statement: Executable, values: Values) -> int:
        """How many rows a statement changes that gives none."""
        compiled = _compiled(statement, self._dialect)
        self._run(compiled.text, compiled.bound(values))
        return int(self._cursor.rowcount)

    def insert(self, table: type[DeclarativeBase], rows: Sequence[Values], taken: Taken | None = None) -> int:
        """Inserts rows, all with values for the same columns, in one round trip; says how many it has stored. Without
        `taken`, a key that is taken is an error.
        """
        if not rows:
            return 0
        insert = _insert(table, tuple(rows[0]), taken, self._dialect)
        if insert.converts is None:
            self._run(insert.text, {"rows": json.dumps(rows, default=datetime.isoformat)})
        else:
            self._run(insert.text, [insert.bound(row) for row in rows])
        return int(self._cursor.rowcount)

    def plain(self, text: str) -> None:
        """A statement without values, in the engine's own words."""
        self._run(text, {})

    def undo(self) -> None:
        """Rolls back what was done so far."""
        self._cursor.connection.rollback()

    def _run(self, text: str, values: Any) -> None:
        try:
            if self._dialect.name != "sqlite":
                self._cursor.execute(text, values, prepare=True)
            elif isinstance(values, list):
                self._cursor.executemany(text, values)
            else:
                self._cursor.execute(text, values)
        except self._dialect.loaded_dbapi.Error as failure:
            raise as_sqlalchemy_has_it(failure, self._cursor.connection, self._dialect) from failure


def as_sqlalchemy_has_it(failure: Exception, connection: Any, dialect: Dialect) -> DBAPIError:
    """The driver's error as one of SQLAlchemy's, which says whether the connection has ended. Without a `connection`
    there is none that could have.
    """
    ended = connection is not None and dialect.is_disconnect(cast("Any", failure), connection, None)
    wrapped = DBAPIError.instance(
        None,
        None,
        failure,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=ended,
        dialect=dialect,
    )
    return cast("DBAPIError", wrapped)


Convert = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    given: dict[str, Any]
    """The values that stand in the statement itself."""
    parameters: tuple[tuple[str, str, Convert], ...]
    """Of the others: how the caller calls it, how the text does, and what makes of it what the driver takes."""
    columns: tuple[Convert, ...]

    def bound(self, values: Values) -> dict[str, Any]:
        made = dict(self.given)
        for name, key, convert in self.parameters:
            value = values[name]
            made[key] = convert(value) if convert is not None else value
        return made

    def rows(self, found: Sequence[Row]) -> list[Row]:
        if not any(self.columns):
            return list(found)
        return [
            tuple(convert(value) if convert else value for value, convert in zip(row, self.columns, strict=True))
            for row in found
        ]


@lru_cache(_MOST_STATEMENTS)
def _compiled(statement: Executable, dialect: Dialect) -> _Compiled:
    compiled = cast("Any", statement).compile(dialect=dialect)
    given, parameters = {}, []
    for bind, key in compiled.bind_names.items():
        convert = _implementation(bind.type, dialect).bind_processor(dialect)
        if bind.required:
            parameters.append((bind.key, key, convert))
        else:
            given[key] = convert(bind.effective_value) if convert else bind.effective_value
    columns = getattr(statement, "exported_columns", ())
    return _Compiled(
        compiled.string,
        given,
        tuple(parameters),
        tuple(_implementation(column.type, dialect).result_processor(dialect, None) for column in columns),
    )


def _implementation(kind: TypeEngine[Any], dialect: Dialect) -> Any:
    return kind.dialect_impl(dialect)


@dataclass(frozen=True, slots=True)
class _Insert:
    text: str
    converts: dict[str, Convert] | None
    """What makes of each value what the driver takes. None: all rows are one value, as JSON."""

    def bound(self, row: Values) -> dict[str, Any]:
        converts = self.converts or {}
        return {name: convert(value) if (convert := converts[name]) else value for name, value in row.items()}


@lru_cache(_MOST_STATEMENTS)
def _insert(table: type[DeclarativeBase], names: tuple[str, ...], taken: Taken | None, dialect: Dialect) -> _Insert:
    columns, key = table.__table__.columns, [column.name for column in table.__table__.primary_key]
    into = f"INSERT INTO {table.__tablename__} ({', '.join(names)})"
    if taken == "kept":
        conflict = " ON CONFLICT DO NOTHING"
    elif taken == "replaced":
        changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
        conflict = f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
    else:
        conflict = ""
    if dialect.name == "sqlite":
        converts = {name: _implementation(columns[name].type, dialect).bind_processor(dialect) for name in names}
        return _Insert(f"{into} VALUES (:{', :'.join(names)}){conflict}", converts)
    given = f"json_populate_recordset(NULL::{table.__tablename__}, %(rows)s)"
    return _Insert(f"{into} SELECT {', '.join(names)} FROM {given}{conflict}", None)  # noqa: S608  names of ours
