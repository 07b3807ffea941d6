"""Owns how a query's answer is taken: as plain dictionaries, tuples or values, never as model objects."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from peewee import SQL, IntegrityError, NodeList, Value

from .connections import CURRENT, BooleanColumn, JSONColumn

Row = dict[str, Any]
Statement = list[Any]


def all_rows(query: Any) -> list[Row]:
    """Every row, as a dictionary of column names."""
    return list(query.dicts())


def first_row(query: Any) -> Row | None:
    """The first row, or None."""
    row: Row | None = query.dicts().first()
    return row


def all_tuples(query: Any) -> list[tuple[Any, ...]]:
    """Every row, as a tuple in the order of the columns asked for."""
    return list(query.tuples())


def listed(values: Sequence[Any]) -> Any:
    """Texts or whole numbers for a query's `in_`, as one value of it: building the text of many takes its time."""
    return listed_by(Value(json.dumps(values), converter=False))


def listed_by(value: Any) -> Any:
    """As `listed`, of a value that is JSON already, such as one that comes with each call."""
    return NodeList((SQL("(SELECT value FROM json_each("), value, SQL("))")))


def insert(model: Any, row: Row) -> None:
    """Add a row given by column names; columns that it leaves out take their default."""
    model._meta.database.execute_sql(*inserting(model, row))


def inserting(model: Any, row: Row) -> tuple[str, Statement]:
    """The text that adds a row, and the values that stand in it.

    The statement's text is kept for each set of columns: an artifact's record is a handful of inserts, and most of
    their time would go into building the same texts again.
    """
    names = (*row, *(name for name in _defaults(model) if name not in row))
    key = (model, names)
    if key not in _statements:
        columns = ", ".join(f'"{name}"' for name in names)
        places = ", ".join("?" for _ in names)
        table = model._meta.table_name
        _statements[key] = f'INSERT INTO "{table}" ({columns}) VALUES ({places})'
    fields = model._meta.columns
    return _statements[key], [
        fields[name].db_value(row[name]) if name in row else _defaults(model)[name] for name in names
    ]


def update(model: Any, row_id: str, row: Row) -> None:
    """Change columns, given by their names, of the row with this id. Its text is kept as that of `insert` is."""
    key = (model, tuple(row))
    if key not in _updates:
        columns = ", ".join(f'"{name}" = ?' for name in row)
        _updates[key] = f'UPDATE "{model._meta.table_name}" SET {columns} WHERE "id" = ?'
    fields = model._meta.columns
    values = [fields[name].db_value(value) for name, value in row.items()]
    model._meta.database.execute_sql(_updates[key], [*values, row_id])


def setting(model: Any, column: str, value: Any, row_id: str) -> tuple[str, Statement]:
    """The text that sets one column of one row, and the values that stand in it."""
    return f'UPDATE "{model._meta.table_name}" SET "{column}" = ? WHERE "id" = ?', [value, row_id]


def execute_all(sql: str, values: Iterable[Sequence[Any]]) -> None:
    """Execute one statement with each of some rows of values, inside the caller's transaction.

    Raises:
        IntegrityError: as every other statement.
    """
    try:
        CURRENT.cursor().executemany(sql, values)
    except sqlite3.IntegrityError as error:
        raise IntegrityError(*error.args) from error


class Prepared:
    """A query whose text is built once; each call gives the values that stand in it.

    Building its text is most of what a small query costs. Values go to the database as they are: what a column would
    convert (JSON) is not for this.
    """

    def __init__(self, build: Callable[..., Any]) -> None:
        self._build = build
        self._sql: str | None = None
        self._order: list[Any] = []
        self._names: list[str] = []
        self._converters: list[tuple[str, Callable[[Any], Any]]] = []

    def rows(self, *values: Any) -> list[Row]:
        """Every row, as a dictionary of column names."""
        cursor = self._execute(values)
        found = [dict(zip(self._names, row, strict=True)) for row in cursor.fetchall()]
        for name, convert in self._converters:
            for row in found:
                row[name] = convert(row[name])
        return found

    def row(self, *values: Any) -> Row | None:
        """The first row, or None."""
        return next(iter(self.rows(*values)), None)

    def value(self, *values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self._execute(values).fetchone()
        return row[0] if row else None

    def run(self, *values: Any) -> None:
        """Execute what changes rows."""
        self._execute(values)

    def _execute(self, values: tuple[Any, ...]) -> Any:
        if self._sql is None:
            self._prepare(len(values))
        given = [values[part.place] if isinstance(part, _Place) else part for part in self._order]
        return CURRENT.execute_sql(self._sql, given)

    def _prepare(self, count: int) -> None:
        query = self._build(*(Value(_Place(place), converter=False) for place in range(count)))
        columns = getattr(query, "_returning", None) or ()
        self._names = [column.name for column in columns]
        converted = [column for column in columns if isinstance(column, JSONColumn | BooleanColumn)]
        self._converters = [(column.name, column.python_value) for column in converted]
        # The text comes last: with it the query is ready for every thread.
        sql, self._order = query.sql()
        self._sql = sql


class _Place:
    """Stands in a prepared query for a value that comes with each call."""

    def __init__(self, place: int) -> None:
        self.place = place


def prepared(build: Callable[..., Any]) -> Prepared:
    """Make a function that builds a query of its arguments into one that is built once."""
    return Prepared(build)


_statements: dict[tuple[Any, tuple[str, ...]], str] = {}
_updates: dict[tuple[Any, tuple[str, ...]], str] = {}


def _defaults(model: Any) -> Row:
    return {field.column_name: value for field, value in model._meta.defaults.items()}
