"""Owns keyset pages: a cursor is the sort key of the last row seen, so that no page costs more than the first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from peewee import Tuple

from ..db.querying import all_rows
from ..errors import Invalid

T = TypeVar("T")

DEFAULT_LIMIT, MAX_LIMIT = 50, 500


@dataclass(frozen=True)
class Page(Generic[T]):
    """`next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None


@dataclass(frozen=True)
class Ask:
    """Which page is asked for: `limit` rows after `cursor`."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.limit <= MAX_LIMIT:
            raise Invalid(f"limit is 1 to {MAX_LIMIT}", field="limit")


def page(
    query: Any,
    keys: Sequence[Any],
    ask: Ask,
    make: Callable[[list[dict[str, Any]]], list[T]],
    *,
    descending: bool = True,
) -> Page[T]:
    """Run a query from after the cursor.

    Args:
        keys: the columns to sort by; together unique, and all in the rows under their names.
        make: makes the items of a page's rows, all at once.
    Raises:
        Invalid: the cursor is not one of ours.
    """
    if ask.cursor is not None:
        seen = Tuple(*decoded(ask.cursor, len(keys)))
        query = query.where(Tuple(*keys) < seen if descending else Tuple(*keys) > seen)
    order = [key.desc() for key in keys] if descending else list(keys)
    rows = all_rows(query.order_by(*order).limit(ask.limit + 1))
    cursor = None
    if len(rows) > ask.limit:
        rows.pop()
        cursor = encoded([rows[-1][key.name] for key in keys])
    return Page(make(rows), cursor)


def one_by_one(ask: Ask, following: Callable[[str | None], str | None]) -> Page[str]:
    """A page of texts, each found from the one before it: `following` is given None for the first, and gives None last.

    Raises:
        Invalid: the cursor is not one of ours.
    """
    last: str | None = None
    if ask.cursor is not None:
        (last,) = decoded(ask.cursor, 1)
        if not isinstance(last, str):
            raise Invalid("cursor is not one that this server gave", field="cursor")
    items: list[str] = []
    while len(items) <= ask.limit and (last := following(last)) is not None:
        items.append(last)
    if len(items) <= ask.limit:
        return Page(items, None)
    items.pop()
    return Page(items, encoded([items[-1]]))


def encoded(values: list[Any]) -> str:
    """A cursor that carries these texts and whole numbers."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decoded(cursor: str, length: int) -> list[Any]:
    """What a cursor carries.

    Raises:
        Invalid: it is not one of ours, or of a list that is sorted otherwise.
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        json.dumps(values, ensure_ascii=False).encode()  # Half a surrogate pair is no text that SQLite takes.
    except (ValueError, RecursionError) as error:
        raise Invalid("cursor is not one that this server gave", field="cursor") from error
    if (
        not isinstance(values, list)
        or len(values) != length
        or not all(isinstance(v, str) or (type(v) is int and abs(v) < 1 << 63) for v in values)
    ):
        raise Invalid("cursor is not one that this server gave", field="cursor")
    return values
