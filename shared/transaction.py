"""Statements of SQLAlchemy's by the driver alone: for those so frequent that its part of running one would take as long
as the database's. They are written as everywhere else, built once, and compiled once for each engine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, cast

from sqlalchemy import Boolean, ColumnElement, Dialect, Executable, Select, String, Update, bindparam, literal_column
from sqlalchemy.exc import DBAPIError, NoResultFound
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

Values = Mapping[str, Any]
Row = tuple[Any, ...]
Taken = Literal["kept", "replaced"]
"""What becomes of a row whose key is taken: it stays as it is, or gets the new values."""

_MOST_STATEMENTS: Final = 500


@dataclass(frozen=True, slots=True)
class Change:
    """A statement that changes or locks rows and whose own rows nobody wants, to be run with others."""

    statement: Update | Select[Any]
    values: Values
    otherwise: Exception | None = None
    """Raised when there is no such row: then nothing that comes after it is done."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """New rows, to be inserted with other changes: as `Transaction.insert` has them."""

    table: type[DeclarativeBase]
    rows: Sequence[Values]
    taken: Taken | None = None


def among(column: ColumnElement[str], name: str) -> ColumnElement[bool]:
    """Whether a column's value is in a list, however long: `listed` makes one parameter of it, of that name. It is
    taken apart once, and an index of the column can be used for each of its values.
    """
    return _Among(column, bindparam(name, type_=String))


def listed(values: Sequence[str]) -> str:
    """A list as `among` takes it."""
    return json.dumps(values)


class _Among(FunctionElement[bool]):
    """Each engine takes a list apart by a function of its own. It has no type: SQLAlchemy would have SQLite compare a
    Boolean with 1, and then no index is used.
    """

    inherit_cache = True


@compiles(_Among, "sqlite")
def _among_on_sqlite(comparison: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in comparison.clauses)
    return f"{column} IN (SELECT value FROM json_each({values}))"  # noqa: S608  names of ours


@compiles(_Among, "postgresql")
def _among_on_postgresql(comparison: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in comparison.clauses)
    return f"{column} = ANY (ARRAY(SELECT json_array_elements_text({values}::json)))"


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
        self._run(*self._part(Insertion(table, rows, taken)))
        return int(self._cursor.rowcount)

    def together(self, *changes: Change | Insertion) -> None:
        """Makes changes in this order, of which none depends on what another does and no two touch the same row: by one
        statement on PostgreSQL, where each by itself costs its way there and back. Raises what one of them requires.
        """
        made = [each for each in changes if isinstance(each, Change) or each.rows]
        if self._dialect.name == "sqlite" or len(made) < 2:
            for change in made:
                self._run(*self._part(change))
                # Of what a query finds, SQLite's driver does not say how much it is.
                _check(change, len(self._cursor.fetchall()) if self._cursor.description else self._cursor.rowcount)
            return
        parts = [self._part(each, required) for each, required in zip(made, _required(made), strict=True)]
        values = {f"{place}.{name}": value for place, (_, bound) in enumerate(parts) for name, value in bound.items()}
        self._run(_united(tuple(text for text, _ in parts)), values)
        for change, count in zip(made, self._cursor.fetchone(), strict=True):
            _check(change, count)

    def plain(self, text: str) -> None:
        """A statement without values, in the engine's own words."""
        self._run(text, {})

    def undo(self) -> None:
        """Rolls back what was done so far."""
        self._cursor.connection.rollback()

    def _part(self, change: Change | Insertion, required: tuple[int, ...] = ()) -> tuple[str, Any]:
        """Its text and its values, as `_run` takes them; `required` are the parts without which it is not made."""
        if isinstance(change, Insertion):
            insert = _insert(change.table, tuple(change.rows[0]), change.taken, self._dialect, required)
            return insert.text, insert.bound(change.rows)
        compiled = _compiled(_provided(change.statement, required), self._dialect)
        return compiled.text, compiled.bound(change.values)

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

    def bound(self, rows: Sequence[Values]) -> Any:
        converts = self.converts
        if converts is None:
            return {"rows": json.dumps(rows, default=datetime.isoformat)}
        return [
            {name: convert(value) if (convert := converts[name]) else value for name, value in row.items()}
            for row in rows
        ]


@lru_cache(_MOST_STATEMENTS)
def _insert(
    table: type[DeclarativeBase],
    names: tuple[str, ...],
    taken: Taken | None,
    dialect: Dialect,
    required: tuple[int, ...] = (),
) -> _Insert:
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
    provided = f" WHERE {' AND '.join(map(_found, required))}" if required else ""
    return _Insert(f"{into} SELECT {', '.join(names)} FROM {given}{provided}{conflict}", None)  # noqa: S608  names of ours


def _required(made: Sequence[Change | Insertion]) -> Iterator[tuple[int, ...]]:
    """For each change the places of those before it that must find a row."""
    required: tuple[int, ...] = ()
    for place, change in enumerate(made):
        yield required
        if isinstance(change, Change) and change.otherwise is not None:
            required = (*required, place)


@lru_cache(_MOST_STATEMENTS)
def _provided(statement: Update | Select[Any], required: tuple[int, ...]) -> Executable:
    return statement.where(*(literal_column(_found(place), Boolean()) for place in required)) if required else statement


def _found(place: int) -> str:
    return f"EXISTS (SELECT FROM part_{place})"


_PARAMETER: Final = re.compile(r"%\((\w+)\)s")


@lru_cache(_MOST_STATEMENTS)
def _united(texts: tuple[str, ...]) -> str:
    """One statement of several, which says how many rows each touches. PostgreSQL runs them in the order in which they
    are counted; each sees the rows as they were before (https://www.postgresql.org/docs/current/queries-with.html).
    """
    parts = []
    for place, text in enumerate(texts):
        named = _PARAMETER.sub(rf"%({place}.\1)s", text)
        parts.append(f"part_{place} AS ({named if named.startswith('SELECT') else f'{named} RETURNING 1'})")
    counts = ", ".join(f"(SELECT count(*) FROM part_{place})" for place in range(len(texts)))  # noqa: S608  names of ours
    return f"WITH {', '.join(parts)} SELECT {counts}"


def _check(change: Change | Insertion, count: int) -> None:
    if isinstance(change, Change) and change.otherwise is not None and not count:
        raise change.otherwise
