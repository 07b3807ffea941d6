"""Owns what makes a request safe to repeat: its Idempotency-Key, written in the transaction of what it changes.

A repeat changes nothing and is answered as the first time. Where the first answer was lost, with its process or because
the database was away for a moment, it is answered by what the request made or changed, as it is now; what the request
did not come to is done then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import insert, prepared
from ..errors import Conflict, Invalid
from . import identities

if TYPE_CHECKING:
    from .opening import Library, Transaction

KEPT_SECONDS = 7 * 24 * 3600
"""How long a key is remembered."""


@dataclass
class Request:
    """A request as its repeats are known by. `fingerprint` tells it from another one that was given the same key."""

    key: str
    fingerprint: str
    claimed: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Kept:
    """What is known of a request that was done, whole or in part. `answer` None: it was lost before it was kept.

    `entity_id` is what it made, or changed first; None where it was answered and changed nothing.
    """

    entity_id: str | None
    answer: dict[str, Any] | None


class Repeated(Conflict):
    """The same request was done meanwhile; this time nothing is changed."""

    code = "repeated"


_current: ContextVar[Request | None] = ContextVar("artifact_db_request", default=None)


@contextmanager
def during(request: Request | None) -> Iterator[None]:
    """What is changed in this block is changed by this request."""
    token = _current.set(request)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Request | None:
    """The request that changes are made by, if it may be repeated."""
    return _current.get()


def find(library: Library, request: Request) -> Kept | None:
    """What is known of this request from before; None when it comes for the first time.

    Raises:
        Invalid: another request was given this key.
    """
    with library.reading():
        row = _row.row(request.key)
    if row is None:
        return None
    if row["fingerprint"] != request.fingerprint:
        raise Invalid("another request was sent with this Idempotency-Key; give each its own", field="Idempotency-Key")
    return Kept(row["entity_id"], row["answer"])


def claim(tx: Transaction, entity_type: str, entity_id: str) -> None:
    """Write the current request down beside the first event of its transaction, so that both are there or neither.

    Raises:
        Repeated: it was done already.
    """
    request = current()
    if request is None or request.claimed:
        return
    if _row.row(request.key) is not None:
        raise Repeated("this request was done already")
    _insert(request, tx.at, entity_type=entity_type, entity_id=entity_id)
    request.claimed = True


def keep(library: Library, request: Request, answer: dict[str, Any]) -> None:
    """Keep how a request was answered, also one that found nothing to change, and forget what is old."""
    with library.database.writing():
        at = identities.now()
        if _row.row(request.key) is None:
            _insert(request, at)
        table = models.IdempotencyKey
        table.update(answer=answer).where(table.key == request.key).execute()
        table.delete().where(table.created_at < identities.later(at, -KEPT_SECONDS)).execute()


def _insert(request: Request, at: str, **columns: Any) -> None:
    insert(
        models.IdempotencyKey,
        {"key": request.key, "fingerprint": request.fingerprint, "created_at": at, "answer": None, **columns},
    )


@prepared
def _row(key: Any) -> Any:
    return models.IdempotencyKey.select().where(models.IdempotencyKey.key == key)
