"""Owns how a query's answer is taken: as plain dictionaries, tuples or values, never as model objects."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


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


def insert(model: Any, row: Row) -> None:
    """Add a row given by column names; columns that it leaves out take their default.

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
    values = [fields[name].db_value(row[name]) if name in row else _defaults(model)[name] for name in names]
    model._meta.database.execute_sql(_statements[key], values)


_statements: dict[tuple[Any, tuple[str, ...]], str] = {}


def _defaults(model: Any) -> Row:
    return {field.column_name: value for field, value in model._meta.defaults.items()}
