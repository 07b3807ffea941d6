"""Owns workflows: one step of a chain or one standalone run, and the attempts that its prompt ids begin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, first_row, insert, prepared
from ..db.statuses import ENDED, UNDER_WAY, WORKFLOW_STATUSES
from ..errors import Conflict, Invalid, NotFound
from . import attempts, identities, names, pages, revisions
from .views import Attempt, Workflow

if TYPE_CHECKING:
    from .opening import Library, Transaction

_HEAVY = ("workflow_definition", "parameters")
_SUMMARY = [field for name, field in models.Workflow._meta.fields.items() if name not in _HEAVY]

_CHANGEABLE = (
    *("status", "prompt_id", "server_address", "error_message", "requires_approval"),
    *("workflow_definition", "parameters", "temporal_workflow_id", "temporal_run_id"),
)


def create_workflow(library: Library, *, actor: str, **columns: Any) -> tuple[Workflow, bool]:
    """Make a workflow: a step of a chain, or a standalone one. With a `prompt_id` it has its first attempt at once.

    Args:
        columns: what `checked` takes.
    Returns:
        The workflow, and whether it was made now (False: the same call was made before).
    Raises:
        NotFound: the chain is not there. UnknownServer. Invalid: a value is wrong.
        Conflict: the id is taken by another workflow.
    """
    columns = checked(library, **columns)
    with library.writing(actor) as tx:
        is_new = ensure(tx, columns)
        if is_new and columns["prompt_id"]:
            _begin_attempt(tx, columns)
        return Workflow.of(_get(columns["id"])), is_new


def checked(
    library: Library,
    *,
    workflow_name: str,
    id: str | None = None,
    chain_id: str | None = None,
    step_id: str | None = None,
    server: str | None = None,
    server_address: str | None = None,
    prompt_id: str = "",
    status: str = "queued",
    requires_approval: bool = False,
    workflow_definition: dict[str, Any] | None = None,
    parameters: dict[str, Any] | None = None,
    temporal_workflow_id: str | None = None,
    temporal_run_id: str | None = None,
) -> dict[str, Any]:
    """The columns of a new workflow.

    Args:
        id: a UUID of the caller's choosing, which makes it safe to make the workflow again.
        server: a configured server's name; `server_address` is a label in its place, and is never contacted.
    Raises:
        UnknownServer. Invalid: a value is wrong.
    """
    return {
        "id": identities.checked_id(id) if id is not None else identities.new_id(),
        "chain_id": identities.checked_id(chain_id, "chain_id") if chain_id is not None else None,
        "step_id": names.checked_name(step_id, "step_id") if step_id is not None else None,
        "workflow_name": names.checked_name(workflow_name, "workflow_name"),
        "server_address": _label(library, server, server_address),
        "prompt_id": names.checked_text(prompt_id, "prompt_id", empty=True),
        "status": _checked_status(status),
        "requires_approval": requires_approval,
        "workflow_definition": workflow_definition,
        "parameters": parameters,
        "temporal_workflow_id": temporal_workflow_id,
        "temporal_run_id": temporal_run_id,
    }


def ensure(tx: Transaction, columns: dict[str, Any]) -> bool:
    """Make a workflow of what `checked` gave, unless it is there; returns whether it was made now.

    Raises:
        NotFound: its chain is not there. Conflict: the id is taken by another workflow.
    """
    workflow_id = columns["id"]
    existing = _by_id.row(workflow_id)
    if existing is None:
        if (chain_id := columns["chain_id"]) is not None:
            chain = _chain_deleted_at.row(chain_id)
            if chain is None or chain["deleted_at"] is not None:
                raise NotFound(f"no chain {chain_id}")
        insert_workflow(tx, **columns)
        return True
    if existing["chain_deleted_at"] is not None:
        raise Conflict(f"workflow {workflow_id} is in the trash with its chain", id=workflow_id)
    same = ("chain_id", "step_id", "workflow_name", "requires_approval")
    identities.refuse_another(f"workflow {workflow_id}", existing, columns, same)
    return False


def insert_workflow(tx: Transaction, **columns: Any) -> None:
    """A new row with its event, inside the caller's transaction; of a chain in the trash it is there too."""
    columns.update(queued_at=tx.at, created_at=tx.at, updated_at=tx.at)
    if columns["chain_id"] is not None:
        columns["chain_deleted_at"] = _chain_deleted_at.value(columns["chain_id"])
    if columns["status"] == "executing":
        columns["started_at"] = tx.at
    if columns["status"] in ENDED:
        columns["completed_at"] = tx.at
    insert(models.Workflow, columns)
    workflow_id = columns["id"]
    told = ("chain_id", "step_id", "workflow_name", "server_address", "prompt_id", "status")
    after = {key: columns[key] for key in told}
    tx.log("workflow.created", "workflow", workflow_id, workflow_id=workflow_id, after=after)


def get_workflow(library: Library, workflow_id: str) -> Workflow:
    """One workflow with its definition and parameters.

    Raises:
        NotFound: there is none with this id.
    """
    with library.reading():
        return Workflow.of(_get(workflow_id))


def find_step(library: Library, workflow_id: str) -> tuple[Workflow | None, Attempt | None]:
    """A workflow and its newest attempt; None for what is not there, or in the trash."""
    with library.reading():
        row = _by_id.row(workflow_id.lower())
        if row is None or row["chain_deleted_at"] is not None:
            return None, None
        newest = attempts.newest_row(row["id"])
        return Workflow.of(row), Attempt.of(newest) if newest else None


def get_workflow_by_step(library: Library, chain_id: str, step_id: str) -> Workflow:
    """The newest workflow of a step of a chain.

    Raises:
        NotFound: the chain has no workflow of that step yet.
    """
    with library.reading():
        query = models.Workflow.select().where(
            (models.Workflow.chain_id == chain_id.lower()) & (models.Workflow.step_id == step_id) & is_there()
        )
        row = first_row(query.order_by(models.Workflow.created_at.desc(), models.Workflow.id.desc()))
    if row is None:
        raise NotFound(f"chain {chain_id} has no workflow of step {step_id!r} yet")
    return Workflow.of(row)


def get_workflows_by_chain(library: Library, chain_id: str) -> list[Workflow]:
    """Every workflow of a chain, by step and then by age, with definitions and parameters."""
    with library.reading():
        query = models.Workflow.select().where((models.Workflow.chain_id == chain_id.lower()) & is_there())
        query = query.order_by(models.Workflow.step_id, models.Workflow.created_at, models.Workflow.id)
        return [Workflow.of(row) for row in all_rows(query)]


def list_workflows(
    library: Library,
    ask: pages.Ask,
    *,
    chain_id: str | None = None,
    step_id: str | None = None,
    status: str | None = None,
    prompt_id: str | None = None,
    standalone: bool = False,
) -> pages.Page[Workflow]:
    """Workflows without their definitions and parameters, newest first."""
    table = models.Workflow
    with library.reading():
        query = table.select(*_SUMMARY).where(is_there())
        if chain_id is not None:
            query = query.where(table.chain_id == chain_id)
        if step_id is not None:
            query = query.where(table.step_id == step_id)
        if status is not None:
            query = query.where(table.status == _checked_status(status))
        if prompt_id is not None:
            query = query.where(table.prompt_id == prompt_id)
        if standalone:
            query = query.where(table.chain_id.is_null())
        keys = (table.created_at, table.id)
        return pages.page(query, keys, ask, lambda rows: [Workflow.of(row) for row in rows])


def update_workflow(
    library: Library,
    workflow_id: str,
    *,
    actor: str,
    revision: int | None = None,
    server: str | None = None,
    **changes: Any,
) -> Workflow:
    """Change a workflow's columns; a new `prompt_id` begins a new attempt, a `status` is the newest attempt's too.

    A workflow that has ended is queued again by a new `prompt_id`, unless a `status` comes with it.

    Raises:
        NotFound, StaleRevision, UnknownServer. Invalid: a value is wrong.
    """
    revisions.refuse_unknown(changes, _CHANGEABLE)
    if "status" in changes:
        _checked_status(changes["status"])
    if "prompt_id" in changes:
        changes["prompt_id"] = names.checked_text(changes["prompt_id"], "prompt_id")
    if server is not None or "server_address" in changes:
        changes["server_address"] = _label(library, server, changes.get("server_address"))
    with library.writing(actor) as tx:
        row = _get(workflow_id)
        revisions.check(row, revision)
        if changes.get("prompt_id", row["prompt_id"]) != row["prompt_id"] and row["status"] not in UNDER_WAY:
            changes = {"status": "queued", "error_message": None, **changes}
        after = revisions.changed(row, changes)
        if not after:
            return Workflow.of(row)
        columns = dict(after)
        if (status := after.get("status")) is not None:
            columns["completed_at"] = tx.at if status in ENDED else None
            if status == "executing" and row["started_at"] is None:
                columns["started_at"] = tx.at
        models.Workflow.update(updated_at=tx.at, revision=row["revision"] + 1, **columns).where(
            models.Workflow.id == row["id"]
        ).execute()
        told = [key for key in after if key not in _HEAVY]
        tx.log(
            "workflow.updated",
            "workflow",
            row["id"],
            workflow_id=row["id"],
            before={key: row[key] for key in told},
            after={**{key: after[key] for key in told}, **{key: "changed" for key in after if key in _HEAVY}},
        )
        _update_attempt(tx, {**row, **columns}, after)
        if "status" in after:
            attempts.follow_current(tx, row["id"])
        return Workflow.of(_get(row["id"]))


def row_of(workflow_id: str) -> dict[str, Any]:
    """A workflow's row, inside the caller's transaction.

    Raises:
        NotFound: there is none with this id, or it is in the trash with its chain.
    """
    return _get(workflow_id)


def is_there() -> Any:
    """The condition that a workflow is not in the trash with its chain."""
    return models.Workflow.chain_deleted_at.is_null()


def _update_attempt(tx: Transaction, row: dict[str, Any], after: dict[str, Any]) -> None:
    if "prompt_id" in after:
        _begin_attempt(tx, row)
    elif "status" in after:
        newest = models.Attempt.select().where(models.Attempt.workflow_id == row["id"])
        attempt = first_row(newest.order_by(models.Attempt.number.desc()))
        if attempt is not None and attempt["status"] != after["status"]:
            attempts.change(tx, attempt, after["status"], row["error_message"])


def _begin_attempt(tx: Transaction, row: dict[str, Any]) -> None:
    attempt_id = attempts.add(
        tx,
        row["id"],
        server_address=row["server_address"],
        prompt_id=row["prompt_id"],
        status=row["status"],
        parameters=row["parameters"],
        workflow_definition=row["workflow_definition"],
        requested_by=tx.actor,
    )
    attempts.take_delivered(tx, attempt_id, row["id"])


def _label(library: Library, server: str | None, address: str | None) -> str:
    if server is not None:
        return library.config.server(server).name
    if address is None:
        return ""
    return library.config.server_label(names.checked_text(address, "server_address", empty=True))


@prepared
def _by_id(workflow_id: Any) -> Any:
    return models.Workflow.select().where(models.Workflow.id == workflow_id)


@prepared
def _chain_deleted_at(chain_id: Any) -> Any:
    return models.Chain.select(models.Chain.deleted_at).where(models.Chain.id == chain_id)


def _get(workflow_id: str) -> dict[str, Any]:
    row = _by_id.row(workflow_id.lower())
    if row is None or row["chain_deleted_at"] is not None:
        raise NotFound(f"no workflow {workflow_id}")
    return row


def _checked_status(status: Any) -> str:
    if status not in WORKFLOW_STATUSES:
        raise Invalid(f"status {status!r} is none of a workflow's: {', '.join(WORKFLOW_STATUSES)}", field="status")
    return str(status)
