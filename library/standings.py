"""Owns how the steps of one chain stand, as an engine asks it at every look: in few queries, however many steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peewee import JOIN, fn

from ..db import models
from ..db.querying import prepared
from . import artifacts, chains
from .views import Artifact, Attempt, Chain, Workflow

if TYPE_CHECKING:
    from .opening import Library

_HEAVY = ("workflow_definition", "parameters", "extra_pnginfo")


@dataclass(frozen=True)
class Standings:
    """A chain, and its workflows by their ids, each with its newest attempt and its current artifact, at one moment."""

    chain: Chain
    steps: dict[str, tuple[Workflow, Attempt | None, Artifact | None]]


def get_standings(library: Library, chain_id: str) -> Standings:
    """How the steps of a chain stand. Definitions and parameters are left out.

    Raises:
        NotFound: it is not there, or in the trash.
    """
    with library.reading():
        chain = Chain.of(chains.summary_of(chain_id))
        rows = _workflows.rows(chain_id)
        newest = {row["workflow_id"]: Attempt.of({**dict.fromkeys(_HEAVY), **row}) for row in _newest.rows(chain_id)}
        current = {one.workflow_id: one for one in artifacts.views(library, _current.rows(chain_id))}
    steps = {row["id"]: (Workflow.of(row), newest.get(row["id"]), current.get(row["id"])) for row in rows}
    return Standings(chain, steps)


def _light(model: Any) -> list[Any]:
    return [field for name, field in model._meta.fields.items() if name not in _HEAVY]


@prepared
def _workflows(chain_id: Any) -> Any:
    table = models.Workflow
    return table.select(*_light(table)).where((table.chain_id == chain_id) & table.chain_deleted_at.is_null())


@prepared
def _newest(chain_id: Any) -> Any:
    table, other = models.Attempt, models.Attempt.alias()
    last = other.select(fn.MAX(other.number)).where(other.workflow_id == table.workflow_id)
    query = table.select(*_light(table)).join(models.Workflow, JOIN.INNER)
    return query.where((models.Workflow.chain_id == chain_id) & (table.number == last))


@prepared
def _current(chain_id: Any) -> Any:
    table = models.Artifact
    on = models.Workflow.latest_artifact_id == table.id
    return table.select().join(models.Workflow, JOIN.INNER, on=on).where(models.Workflow.chain_id == chain_id)
