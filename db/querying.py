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
