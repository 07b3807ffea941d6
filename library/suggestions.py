"""Owns which names are in use, for somebody who is about to type one. A name that is not among them is as good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import first_row
from ..errors import Invalid, NotFound
from . import loads, names, pages

if TYPE_CHECKING:
    from .opening import Library

KINDS = ("chain", "step", "workflow")

_LAST = "\U0010ffff"
"""Comes after everything that a name may go on with."""


def list_names(library: Library, ask: pages.Ask, *, kind: str, q: str = "", chain: str = "") -> pages.Page[str]:
    """Each name once, in the order of its characters; none that only the trash has.

    Each costs one look into an index, however often it is used.

    Args:
        kind: one of `KINDS`. q: what the names begin with, letter for letter.
        chain: for steps, a chain's name (its newest run is meant) or id; of one that is not there nothing is found.
    Raises:
        Invalid: a value is wrong.
    """
    if kind not in KINDS:
        raise Invalid(f"kind is one of {', '.join(KINDS)}", field="kind")
    if chain and kind != "step":
        raise Invalid("only the steps of a chain can be asked for", field="chain")
    q, chain = names.checked_text(q, "q", empty=True), names.checked_name(chain, "chain", empty=True)
    with library.reading():
        column, in_trash = _COLUMNS[kind]
        query = column.model.select(column).where(in_trash.is_null()).order_by(column).limit(1)
        if chain:
            try:
                query = query.where(models.Workflow.chain_id == loads.chain_id_of(chain))
            except NotFound:
                return pages.Page([], None)
        if q:
            query = query.where(column < q + _LAST)

        def following(name: str | None) -> str | None:
            row = first_row(query.where(column >= q if name is None else column > name))
            return str(row[column.name]) if row else None

        return pages.one_by_one(ask, following)


_COLUMNS: dict[str, tuple[Any, Any]] = {
    "chain": (models.Chain.name, models.Chain.deleted_at),
    "step": (models.Workflow.step_id, models.Workflow.chain_deleted_at),
    "workflow": (models.Workflow.workflow_name, models.Workflow.chain_deleted_at),
}
"""Where a name stands, and what says that it is in the trash."""
