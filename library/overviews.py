"""Owns how chains stand at a glance: their steps without what is heavy, and what did not reach them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..db import models
from ..db.querying import all_rows, prepared
from . import chains
from .views import Transfer, View

if TYPE_CHECKING:
    from typing import Any

    from .opening import Library

MOST_STEPS = 30
"""Workflows of one chain that an overview has; a chain that nodes record into may have any number."""

_STANDS_STILL = ("queued", "executing", "failed", "outcome_unknown")
"""A step that has ended well has got what it needed, whatever failed on the way."""


@dataclass(frozen=True)
class StepBrief(View):
    """One workflow of a chain."""

    id: str
    chain_id: str
    step_id: str | None
    status: str
    server_address: str
    queued_at: str
    completed_at: str | None


@dataclass(frozen=True)
class Overview:
    """`steps` by their ids, then by age; `more`: there are others. `undelivered` counts deliveries to them."""

    steps: tuple[StepBrief, ...]
    more: bool
    undelivered: int


def get_overviews(library: Library, chain_ids: Sequence[str]) -> dict[str, Overview]:
    """An overview of each of these chains, by id; of one that is not there an empty one."""
    with library.reading():
        found = {chain_id: [StepBrief.of(row) for row in _steps.rows(chain_id)] for chain_id in chain_ids}
        open_ones = [one.id for some in found.values() for one in some[:MOST_STEPS] if one.status in _STANDS_STILL]
        missing = [transfer.target_workflow_id for transfer in _undelivered(open_ones)]
    return {
        chain_id: Overview(
            tuple(some[:MOST_STEPS]),
            len(some) > MOST_STEPS,
            sum(missing.count(one.id) for one in some[:MOST_STEPS]),
        )
        for chain_id, some in found.items()
    }


def get_undelivered(library: Library, chain_id: str) -> list[Transfer]:
    """What was to be delivered for a chain's steps and is not there: the newest try of each, oldest first.

    Raises:
        NotFound: there is no such chain.
    """
    table = models.Workflow
    with library.reading():
        chain = chains.row_of(chain_id)
        query = table.select(table.id).where((table.chain_id == chain["id"]) & table.status.in_(_STANDS_STILL))
        return _undelivered([row["id"] for row in all_rows(query)])


@prepared
def _steps(chain_id: Any) -> Any:
    table = models.Workflow
    columns = [getattr(table, name) for name in StepBrief.__dataclass_fields__]
    query = table.select(*columns).where((table.chain_id == chain_id) & table.chain_deleted_at.is_null())
    return query.order_by(table.step_id).limit(MOST_STEPS + 1)


def _undelivered(workflow_ids: Sequence[str]) -> list[Transfer]:
    """Of each artifact that was to be delivered for one of these workflows the newest try, unless it arrived."""
    if not workflow_ids:
        return []
    table = models.Transfer
    query = table.select().where(table.target_workflow_id.in_(list(workflow_ids)))
    newest = {(row["target_workflow_id"], row["artifact_id"]): row for row in all_rows(query.order_by(table.id))}
    return [Transfer.of(row) for row in newest.values() if row["status"] != "completed"]
