"""Owns chains: their rows, their status, and their way into the trash and back, with everything in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, first_row, insert, prepared
from ..db.statuses import CHAIN_STATUSES, FINISHED_CHAIN, is_chain_status
from ..errors import Conflict, Gone, Invalid, NotFound
from . import events, identities, names, pages, revisions
from .views import Chain

if TYPE_CHECKING:
    from .opening import Library, Transaction

_CHANGEABLE = ("status", "current_level", "error_message", "temporal_workflow_id", "temporal_run_id")
_SUMMARY = [field for name, field in models.Chain._meta.fields.items() if name != "chain_definition"]


def create_chain(
    library: Library,
    *,
    name: str,
    actor: str,
    id: str | None = None,
    description: str | None = None,
    chain_definition: dict[str, Any] | None = None,
    status: str = "initializing",
    current_level: int = 0,
    temporal_workflow_id: str | None = None,
    temporal_run_id: str | None = None,
) -> tuple[Chain, bool]:
    """Begin a chain.

    Args:
        id: a UUID of the caller's choosing, which makes the call safe to repeat.
    Returns:
        The chain, and whether it was made now (False: the same call was made before).
    Raises:
        Invalid: a value is wrong. Conflict: the id or the Temporal id is taken by another chain.
    """
    columns = {
        "name": names.checked_name(name, "name"),
        "description": description,
        "chain_definition": chain_definition,
        "status": _checked_status(status),
        "current_level": _checked_level(current_level),
        "temporal_workflow_id": temporal_workflow_id,
        "temporal_run_id": temporal_run_id,
    }
    chain_id = identities.checked_id(id) if id is not None else identities.new_id()
    with library.writing(actor) as tx:
        existing = first_row(models.Chain.select().where(models.Chain.id == chain_id)) if id is not None else None
        if existing is not None:
            if existing["deleted_at"] is not None:
                raise Conflict(f"chain {chain_id} is in the trash: take it out, or choose another id", id=chain_id)
            # Its status moves on by itself; a repeated call does not set it back.
            same = ("name", "description", "chain_definition", "temporal_workflow_id")
            identities.refuse_another(f"chain {chain_id}", existing, columns, same)
            return Chain.of(existing), False
        _refuse_taken(temporal_workflow_id, chain_id)
        insert_chain(tx, chain_id, **columns)
        return Chain.of(_get(chain_id)), True


def insert_chain(tx: Transaction, chain_id: str, **columns: Any) -> str:
    """A new row with its event, inside the caller's transaction; returns the id."""
    columns.update(started_at=tx.at, created_at=tx.at, updated_at=tx.at)
    if columns["status"] in FINISHED_CHAIN:
        columns["completed_at"] = tx.at
    insert(models.Chain, {"id": chain_id, **columns})
    after = {"name": columns["name"], "status": columns["status"]}
    tx.log("chain.created", "chain", chain_id, chain_id=chain_id, after=after)
    return chain_id


def get_chain(library: Library, chain_id: str) -> Chain:
    """One chain with its definition.

    Raises:
        NotFound: there is none with this id.
    """
    with library.reading():
        return Chain.of(_get(chain_id))


def find_chain(library: Library, chain_id: str) -> Chain | None:
    """One chain with its definition, also one in the trash; None where there is none with this id."""
    with library.reading():
        row = any_row(chain_id.lower())
        return Chain.of(row) if row is not None else None


def list_chains(
    library: Library,
    ask: pages.Ask,
    *,
    status: str | None = None,
    name: str | None = None,
    failed: bool = False,
    trash: bool = False,
    ids: Sequence[str] | None = None,
) -> pages.Page[Chain]:
    """Chains without their definitions, newest first; `failed` keeps those in which a workflow has failed.

    `ids` keeps these. `trash` lists those in the trash instead, what was deleted last first.
    """
    table = models.Chain
    with library.reading():
        query = table.select(*_SUMMARY)
        if trash:
            query = query.where(table.deleted_at.is_null(False) & table.purged_at.is_null())
        else:
            query = query.where(table.deleted_at.is_null())
        if status is not None:
            query = query.where(models.Chain.status == _checked_status(status))
        if name is not None:
            query = query.where(models.Chain.name == name)
        if failed:
            query = query.where(_has_failed_workflow())
        if ids is not None:
            query = query.where(table.id.in_(list(ids)))
        keys = (table.deleted_at if trash else table.started_at, table.id)
        return pages.page(query, keys, ask, lambda rows: [Chain.of(row) for row in rows])


def get_chains_with_failed_workflows(library: Library) -> list[Chain]:
    """Every chain in which at least one workflow has failed, newest first."""
    with library.reading():
        query = models.Chain.select(*_SUMMARY).where(models.Chain.deleted_at.is_null() & _has_failed_workflow())
        return [Chain.of(row) for row in all_rows(query.order_by(models.Chain.started_at.desc()))]


def update_chain(library: Library, chain_id: str, *, actor: str, revision: int | None = None, **changes: Any) -> Chain:
    """Change a chain's `status`, `current_level`, `error_message`, `temporal_workflow_id` or `temporal_run_id`.

    Raises:
        NotFound, StaleRevision. Invalid: a value is wrong.
        Conflict: the Temporal id is another chain's; or an engine drives it, and says by itself how it ends.
    """
    revisions.refuse_unknown(changes, _CHANGEABLE)
    if "status" in changes:
        _checked_status(changes["status"])
    if "current_level" in changes:
        _checked_level(changes["current_level"])
    with library.writing(actor) as tx:
        row = _get(chain_id)
        revisions.check(row, revision)
        after = revisions.changed(row, changes)
        if not after:
            return Chain.of(row)
        _refuse_taken(after.get("temporal_workflow_id"), row["id"])
        columns = dict(after)
        if "status" in after:
            if after["status"] in FINISHED_CHAIN and _is_driven(row["id"]):
                raise Conflict(f"an engine drives chain {row['id']}, and says how it ends: cancel it to end it now")
            columns["completed_at"] = tx.at if after["status"] in FINISHED_CHAIN else None
        models.Chain.update(updated_at=tx.at, revision=row["revision"] + 1, **columns).where(
            models.Chain.id == row["id"]
        ).execute()
        before = {key: row[key] for key in after}
        tx.log("chain.updated", "chain", row["id"], chain_id=row["id"], before=before, after=after)
        return Chain.of(_get(row["id"]))


def _is_driven(chain_id: str) -> bool:
    drives = models.Drive.select().where((models.Drive.chain_id == chain_id) & models.Drive.ended_at.is_null())
    return bool(drives.exists())


def delete_chain(library: Library, chain_id: str, *, actor: str, revision: int | None = None) -> None:
    """Put a chain into the trash with its workflows, artifacts and files: none of it is found by anybody any more.

    Its rows stay as they are, pointers included, so that it comes back as it was.

    Raises:
        NotFound, StaleRevision.
    """
    with library.writing(actor) as tx:
        row = _get(chain_id)
        revisions.check(row, revision)
        artifacts = _mark(row["id"], tx.at)
        _set_deleted(tx, row, tx.at)
        before = {"name": row["name"], "status": row["status"], "artifacts": artifacts, "deleted_at": None}
        after = {"deleted_at": tx.at}
        tx.log("chain.deleted", "chain", row["id"], chain_id=row["id"], before=before, after=after)


def undelete_chain(library: Library, chain_id: str, *, actor: str, revision: int | None = None) -> Chain:
    """Take a chain out of the trash, with all that went into it with the chain or was recorded in it since.

    What was deleted on its own before the chain stays deleted. A chain that is not in the trash stays as it is.

    Raises:
        NotFound, StaleRevision. Gone: the trash was emptied of it.
    """
    with library.writing(actor) as tx:
        row = any_row(chain_id.lower())
        if row is None and events.has(chain_id.lower(), "chain.purged"):
            raise Gone(f"the trash was emptied of chain {chain_id}")
        if row is None:
            raise NotFound(f"no chain {chain_id}")
        revisions.check(row, revision)
        if row["deleted_at"] is not None:
            _mark(row["id"], None)
            _set_deleted(tx, row, None)
            before, after = {"deleted_at": row["deleted_at"]}, {"deleted_at": None}
            tx.log("chain.undeleted", "chain", row["id"], chain_id=row["id"], before=before, after=after)
        return Chain.of(_get(row["id"]))


def row_of(chain_id: str) -> dict[str, Any]:
    """A chain's row, inside the caller's transaction.

    Raises:
        NotFound: there is none with this id.
    """
    return _get(chain_id)


def summary_of(chain_id: str) -> dict[str, Any]:
    """As `row_of`, without the definition."""
    row = _summary.row(chain_id.lower())
    if row is None:
        raise NotFound(f"no chain {chain_id}")
    return row


@prepared
def _summary(chain_id: Any) -> Any:
    return models.Chain.select(*_SUMMARY).where((models.Chain.id == chain_id) & models.Chain.deleted_at.is_null())


def _mark(chain_id: str, at: str | None) -> int:
    """Mark all that is in a chain as in the trash with it, or as there again; returns how many artifacts it has.

    Their revisions stay: they come back as they were, for those too who have looked at them before.
    """
    workflow, artifact = models.Workflow, models.Artifact
    workflow.update(chain_deleted_at=at).where(workflow.chain_id == chain_id).execute()
    inside = workflow.select(workflow.id).where(workflow.chain_id == chain_id)
    return int(artifact.update(chain_deleted_at=at).where(artifact.workflow_id.in_(inside)).execute())


def _set_deleted(tx: Transaction, row: dict[str, Any], at: str | None) -> None:
    models.Chain.update(deleted_at=at, updated_at=tx.at, revision=row["revision"] + 1).where(
        models.Chain.id == row["id"]
    ).execute()


def _has_failed_workflow() -> Any:
    failed = models.Workflow.select(models.Workflow.chain_id).where(
        (models.Workflow.status == "failed") & models.Workflow.chain_id.is_null(False)
    )
    return models.Chain.id.in_(failed)


def any_row(chain_id: str) -> dict[str, Any] | None:
    """A chain's row, also of one in the trash, inside the caller's transaction; None once the trash was emptied of it.

    Of a chain that is being emptied rows may still be there; nobody is told of them.
    """
    return _by_id.row(chain_id)


@prepared
def _by_id(chain_id: Any) -> Any:
    table = models.Chain
    return table.select().where((table.id == chain_id) & table.purged_at.is_null())


def _get(chain_id: str) -> dict[str, Any]:
    row = any_row(chain_id.lower())
    if row is None or row["deleted_at"] is not None:
        raise NotFound(f"no chain {chain_id}")
    return row


def _refuse_taken(temporal_workflow_id: str | None, chain_id: str) -> None:
    if temporal_workflow_id is None:
        return
    owner = models.Chain.select(models.Chain.id).where(models.Chain.temporal_workflow_id == temporal_workflow_id)
    other = owner.where(models.Chain.id != chain_id).scalar()
    if other is not None:
        raise Conflict(f"temporal_workflow_id {temporal_workflow_id!r} is that of chain {other}", id=other)


def _checked_status(status: Any) -> str:
    if not isinstance(status, str) or not is_chain_status(status):
        accepted = ", ".join((*CHAIN_STATUSES, "executing_level_N"))
        raise Invalid(f"status {status!r} is none of a chain's: {accepted}", field="status")
    return status


def _checked_level(level: Any) -> int:
    if not isinstance(level, int) or isinstance(level, bool) or not 0 <= level < 1_000_000:
        raise Invalid("current_level is a whole number from 0", field="current_level")
    return level
