"""Owns ids and times: UUIDv7 as text, UTC as ISO 8601 with milliseconds."""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ..errors import Conflict, Invalid, NotFound

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A UUIDv7 (RFC 9562, section 5.7): milliseconds, then a counter that keeps one process's ids in order."""
    global _last
    with _lock:
        # 12 bits below the millisecond: the fraction of it, raised by one where two calls fall together.
        _last = max(_last + 1, time.time_ns() * 4096 // 1_000_000)
        ticks = _last
    value = (ticks >> 12) << 80 | 0x7 << 76 | (ticks & 0xFFF) << 64 | 0b10 << 62
    return str(uuid.UUID(int=value | int.from_bytes(os.urandom(8), "big") >> 2))


def now() -> str:
    """The present moment as every time in the database is written."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def at(nanoseconds: int) -> str:
    """The time so many nanoseconds after 1970 as it is written, and the present moment for one that is not over."""
    present = now()
    try:
        moment = datetime.fromtimestamp(nanoseconds / 1e9, timezone.utc)
    except (OverflowError, OSError, ValueError):
        return present
    return min(present, moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def checked_id(value: str, field: str = "id") -> str:
    """A client's id in the canonical form, lower case with hyphens.

    Raises:
        Invalid: it is not a UUID.
    """
    if not isinstance(value, str) or not is_id(value):
        raise Invalid(f"{field} is not a UUID", field=field)
    return value.lower()


def require_id(value: Any, what: str) -> str:
    """The id by which a `what` is asked for, in the canonical form.

    Raises:
        NotFound: it is no UUID, so nothing has it.
    """
    if not isinstance(value, str) or not is_id(value):
        raise NotFound(f"no {what} {value!r}: an id is a UUID")
    return value.lower()


def refuse_another(what: str, existing: Mapping[str, Any], wanted: Mapping[str, Any], same: Sequence[str]) -> None:
    """Where an id of a caller's choosing is taken: refuse to take the row for the one that is wanted, if it is not.

    Args:
        what: the row and its id, as messages name it.
        same: the columns in which both have to agree.
    Raises:
        Conflict: they differ in one.
    """
    different = [key for key in same if existing[key] != wanted[key]]
    if different:
        raise Conflict(f"{what} is there already, with another {different[0]}", id=existing["id"])


def is_id(value: str) -> bool:
    """Whether a text is a UUID in its usual form, with hyphens."""
    return _ID.match(value) is not None


def checked_time(value: str, field: str) -> str:
    """A client's ISO 8601 time as the database writes it; without a zone it is UTC.

    Raises:
        Invalid: it is not a time.
    """
    try:
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError) as error:
        raise Invalid(f"{field} is not an ISO 8601 time such as 2026-11-22T10:30:00Z", field=field) from error


def later(at: str, seconds: float) -> str:
    """The time so many seconds after another."""
    return checked_time((_moment(at) + timedelta(seconds=seconds)).isoformat(), "time")


def seconds_between(start: str, end: str) -> int:
    """Whole seconds from one time to another; none when the other was before."""
    return max(0, int((_moment(end) - _moment(start)).total_seconds()))


def seconds_since(at: str) -> float:
    """Seconds from a time to now; negative where it is still to come."""
    return (datetime.now(timezone.utc) - _moment(at)).total_seconds()


def _moment(at: str) -> datetime:
    return datetime.fromisoformat(at.replace("Z", "+00:00"))
