"""Owns optimistic concurrency: a change that names the revision it saw loses against one that came in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import Invalid, StaleRevision


def check(row: dict[str, Any], expected: int | None) -> None:
    """Compare a row's revision with the one that the caller saw; None asks for no comparison.

    Raises:
        StaleRevision: it has changed since; `data["revision"]` is the present one.
    """
    if expected is not None and row["revision"] != expected:
        raise StaleRevision(
            f"this has changed since revision {expected}: it is at revision {row['revision']} now; look again",
            revision=row["revision"],
        )


def changed(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Those of the values in `after` that differ from `before`."""
    return {key: value for key, value in after.items() if before[key] != value}


def refuse_unknown(changes: Mapping[str, Any], accepted: Sequence[str]) -> None:
    """Refuse to change what is not the caller's to change: ids, pointers, times and revisions.

    Raises:
        Invalid: naming the first that is not among the accepted ones.
    """
    for name in changes:
        if name not in accepted:
            raise Invalid(f"{name} cannot be changed; accepted: {', '.join(accepted)}", field=name)
