"""Owns attempts: one execution of a workflow's graph on a server, from its beginning to how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, first_row, insert, prepared, update
from ..db.statuses import ENDED, UNDER_WAY
from ..errors import NotFound
from . import identities, pointers
from .views import Attempt

if TYPE_CHECKING:
    from .opening import Library, Transaction

UNSETTLED = ("queued", "executing", "outcome_unknown", "failed")
"""What an attempt may be for its server's word on how it ended to count; what failed may have been collected since."""


@dataclass(frozen=True)
class Ending:
    """How an attempt ended, as its server tells, and what it was made of, for one of which that is not known yet.

    It is `executing` still where its prompt has ended and some of its outputs are to be collected again.
    `attempt_id` None: the one that holds the run whose outputs are recorded with it. `inputs` are the ids of the
    artifacts that went into it, by the door they went in through.
    """

    attempt_id: str | None
    status: str
    error: str | None = None
    workflow_definition: dict[str, Any] | None = None
    extra_pnginfo: dict[str, Any] | None = None
    client_id: str | None = None
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)


def add(
    tx: Transaction,
    workflow_id: str,
    *,
    server_address: str,
    prompt_id: str,
    status: str,
    **columns: Any,
) -> str:
    """A new attempt of a workflow, inside the caller's transaction; returns its id."""
    attempt_id = identities.new_id()
    number = (_last_number.value(workflow_id) or 0) + 1
    row = {
        "id": attempt_id,
        "workflow_id": workflow_id,
        "number": number,
        "server_address": server_address,
        "prompt_id": prompt_id,
        "status": status,
        "queued_at": tx.at,
        "started_at": tx.at if status == "executing" else None,
        "completed_at": tx.at if status in ENDED else None,
        "created_at": tx.at,
        "updated_at": tx.at,
    }
    insert(models.Attempt, {**row, **columns})
    tx.log(
        "attempt.created",
        "attempt",
        attempt_id,
        workflow_id=workflow_id,
        after={"number": number, "server_address": server_address, "prompt_id": prompt_id, "status": status},
    )
    return attempt_id


@prepared
def _last_number(workflow_id: Any) -> Any:
    table = models.Attempt
    return table.select(table.number).where(table.workflow_id == workflow_id).order_by(table.number.desc()).limit(1)


def take_delivered(tx: Transaction, attempt_id: str, workflow_id: str) -> None:
    """What was delivered for a workflow went into an attempt that was announced: of each output what came last."""
    newest = {(row["workflow_id"], row["output_key"]): row["artifact_id"] for row in _delivered.rows(workflow_id)}
    record_inputs(tx, attempt_id, list(newest.values()), via="transfer")


@prepared
def _delivered(workflow_id: Any) -> Any:
    table, artifact = models.Transfer, models.Artifact
    query = table.select(table.artifact_id, artifact.workflow_id, artifact.output_key).join(artifact)
    query = query.where((table.target_workflow_id == workflow_id) & (table.status == "completed"))
    return query.order_by(table.uploaded_at, table.id)


def record_inputs(tx: Transaction, attempt_id: str, artifact_ids: Sequence[str], *, via: str) -> None:
    """Write down which artifacts went into an attempt, and by which door (`node`, `transfer`, `upload`)."""
    for artifact_id in artifact_ids:
        if _is_there.value(artifact_id) and not _went_in.value(attempt_id, artifact_id):
            row = {"attempt_id": attempt_id, "artifact_id": artifact_id, "via": via, "created_at": tx.at}
            insert(models.Lineage, row)


@prepared
def _is_there(artifact_id: Any) -> Any:
    return models.Artifact.select(models.Artifact.id).where(models.Artifact.id == artifact_id)


@prepared
def _went_in(attempt_id: Any, artifact_id: Any) -> Any:
    table = models.Lineage
    return table.select(table.via).where((table.attempt_id == attempt_id) & (table.artifact_id == artifact_id))


def record_delivery(tx: Transaction, workflow_id: str, artifact_id: str) -> None:
    """An artifact was delivered for a workflow: it is an input of the attempt that is open, or of the next one."""
    attempt_id = _open.value(workflow_id)
    if attempt_id is not None:
        record_inputs(tx, attempt_id, [artifact_id], via="transfer")


@prepared
def _open(workflow_id: Any) -> Any:
    table = models.Attempt
    query = table.select(table.id).where((table.workflow_id == workflow_id) & table.status.in_(UNDER_WAY))
    return query.order_by(table.number.desc()).limit(1)


def list_attempts(library: Library, workflow_id: str) -> list[Attempt]:
    """The attempts of a workflow, newest first."""
    with library.reading():
        return of_workflow(workflow_id)


def of_workflow(workflow_id: str) -> list[Attempt]:
    """As `list_attempts`, inside the caller's transaction."""
    return [Attempt.of(row) for row in all_rows(_newest_first(workflow_id))]


def get_attempt(library: Library, attempt_id: str) -> Attempt:
    """One attempt.

    Raises:
        NotFound: there is none with this id.
    """
    with library.reading():
        return Attempt.of(row_of(attempt_id))


def sent_before(library: Library, attempt: Attempt) -> Attempt | None:
    """The last attempt before this one whose prompt may have come to its server; None where there is none."""
    if attempt.number == 1:
        return None
    table = models.Attempt
    with library.reading():
        before = (table.number < attempt.number) & table.workflow_definition.is_null(False)
        row = first_row(_newest_first(attempt.workflow_id).where(before).limit(1))
        return Attempt.of(row) if row else None


def newest_row(workflow_id: str) -> dict[str, Any] | None:
    """As `newest`, inside the caller's transaction."""
    return _newest.row(workflow_id)


@prepared
def _newest(workflow_id: Any) -> Any:
    return _newest_first(workflow_id).limit(1)


def _newest_first(workflow_id: Any) -> Any:
    query = models.Attempt.select().join(models.Workflow).where(models.Attempt.workflow_id == workflow_id)
    query = query.where(models.Workflow.chain_deleted_at.is_null())
    return query.order_by(models.Attempt.number.desc())


def finish(
    library: Library,
    *,
    server_address: str,
    prompt_id: str,
    status: str,
    error: str | None,
    actor: str,
    inputs: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """Say how a prompt ended, on every attempt that holds it and is still open; returns how many there were.

    A workflow whose current artifact is pending then waits for approval instead of being completed. `inputs` are as in
    an `Ending`.
    """
    with library.writing(actor) as tx:
        return finish_all(tx, server_address, prompt_id, status, error, inputs)


def finish_all(
    tx: Transaction,
    server_address: str,
    prompt_id: str,
    status: str,
    error: str | None,
    inputs: Mapping[str, Sequence[str]] | None = None,
) -> int:
    """As `finish`, inside the caller's transaction."""
    query = models.Attempt.select().where(
        (models.Attempt.prompt_id == prompt_id)
        & (models.Attempt.server_address == server_address)
        & models.Attempt.status.in_(UNDER_WAY)
    )
    open_attempts = all_rows(query)
    for attempt in open_attempts:
        for via, artifact_ids in (inputs or {}).items():
            record_inputs(tx, attempt["id"], artifact_ids, via=via)
        proceed(tx, attempt, status, error)
    return len(open_attempts)


def end(tx: Transaction, ending: Ending) -> None:
    """Say how an attempt ended, unless that is settled; its workflow follows when it is the newest attempt.

    Raises:
        NotFound: it is gone with its chain.
    """
    attempt = row_of(ending.attempt_id or "")
    for via, artifact_ids in ending.inputs.items():
        record_inputs(tx, attempt["id"], artifact_ids, via=via)
    if attempt["workflow_definition"] is None and ending.workflow_definition is not None:
        told = {"extra_pnginfo": ending.extra_pnginfo, "client_id": ending.client_id}
        define(tx, attempt, ending.workflow_definition, **told)
    if attempt["status"] not in UNSETTLED or (attempt["status"], attempt["error_message"]) == (
        ending.status,
        ending.error,
    ):
        return
    proceed(tx, attempt, ending.status, ending.error)


def define(tx: Transaction, attempt: dict[str, Any], workflow_definition: dict[str, Any], **told: Any) -> None:
    """Write down what an attempt is made of that was announced without it; also of its workflow, where that has none.

    Args:
        told: further columns of the attempt.
    """
    workflow_id, columns = attempt["workflow_id"], {"workflow_definition": workflow_definition, "updated_at": tx.at}
    after = {"workflow_definition": "changed"}
    update(models.Attempt, attempt["id"], {**columns, **told})
    tx.log("attempt.updated", "attempt", attempt["id"], workflow_id=workflow_id, after=after)
    if (revision := _undefined.value(workflow_id)) is not None:
        update(models.Workflow, workflow_id, {**columns, "revision": revision + 1})
        tx.log("workflow.updated", "workflow", workflow_id, workflow_id=workflow_id, after=after)


@prepared
def _undefined(workflow_id: Any) -> Any:
    table = models.Workflow
    return table.select(table.revision).where((table.id == workflow_id) & table.workflow_definition.is_null())


def row_of(attempt_id: str) -> dict[str, Any]:
    """An attempt's row, inside the caller's transaction.

    Raises:
        NotFound: there is none with this id.
    """
    row = _by_id.row(attempt_id)
    if row is None:
        raise NotFound(f"no attempt {attempt_id}")
    return row


@prepared
def _by_id(attempt_id: Any) -> Any:
    return models.Attempt.select().where(models.Attempt.id == attempt_id)


def proceed(tx: Transaction, attempt: dict[str, Any], status: str, error: str | None = None) -> None:
    """Give an attempt another status, inside the caller's transaction; its workflow follows when it is the newest."""
    change(tx, attempt, status, error)
    if attempt["number"] == _last_number.value(attempt["workflow_id"]):
        settle(tx, attempt["workflow_id"], status, error)


def change(tx: Transaction, attempt: dict[str, Any], status: str, error: str | None) -> None:
    """Give an attempt another status, inside the caller's transaction."""
    completed_at = tx.at if status in ENDED else None
    columns = {"status": status, "error_message": error, "completed_at": completed_at, "updated_at": tx.at}
    if status == "executing" and attempt["started_at"] is None:
        columns["started_at"] = tx.at
    update(models.Attempt, attempt["id"], columns)
    tx.log(
        "attempt.updated",
        "attempt",
        attempt["id"],
        workflow_id=attempt["workflow_id"],
        before={"status": attempt["status"]},
        after={"status": status, "error_message": error},
    )


def settle(tx: Transaction, workflow_id: str, status: str, error: str | None = None) -> None:
    """Give a workflow the status of its attempt, or `awaiting_approval` while what it offers is pending."""
    workflow = _workflow.row(workflow_id)
    assert workflow is not None
    offered = workflow["latest_artifact_id"]
    if status == "completed" and offered and _approval.value(offered) == "pending":
        status = "awaiting_approval"
    if workflow["status"] == status and workflow["error_message"] == error:
        return
    columns = {
        "status": status,
        "error_message": error,
        "completed_at": tx.at if status in ENDED else None,
        "updated_at": tx.at,
        "revision": workflow["revision"] + 1,
    }
    if status == "executing" and workflow["started_at"] is None:
        columns["started_at"] = tx.at
    update(models.Workflow, workflow_id, columns)
    tx.log(
        "workflow.updated",
        "workflow",
        workflow_id,
        workflow_id=workflow_id,
        before={"status": workflow["status"]},
        after={"status": status, "error_message": error},
    )


@prepared
def _workflow(workflow_id: Any) -> Any:
    table = models.Workflow
    columns = (table.status, table.error_message, table.latest_artifact_id, table.revision)
    return table.select(*columns, table.started_at).where(table.id == workflow_id)


@prepared
def _approval(artifact_id: Any) -> Any:
    return models.Artifact.select(models.Artifact.approval_status).where(models.Artifact.id == artifact_id)


def follow_current(tx: Transaction, workflow_id: str) -> None:
    """A workflow that is done waits for approval exactly while its current artifact is pending."""
    status = _status.value(workflow_id)
    current = pointers.current_of(workflow_id)
    if status == "completed" or (status == "awaiting_approval" and current and pointers.is_usable(current)):
        settle(tx, workflow_id, "completed")


@prepared
def _status(workflow_id: Any) -> Any:
    return models.Workflow.select(models.Workflow.status).where(models.Workflow.id == workflow_id)
