"""Owns the executions that an engine begins: an attempt is written down before its prompt is queued, and then followed.

An attempt without a graph has not been prepared; one that is `queued` and has its graph may have reached its server;
one that is `executing` has been acknowledged by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows, insert, prepared, update
from ..db.statuses import FINISHED_CHAIN, UNDER_WAY, UNFINISHED_WORKFLOW
from ..errors import Conflict, Invalid, NotFound
from . import artifacts, attempts, chains, driving, identities, revisions, workflows
from .views import Attempt, Workflow

if TYPE_CHECKING:
    from .opening import Library, Transaction


def begin_attempt(
    library: Library,
    step: Mapping[str, Any],
    *,
    server: str,
    overrides: dict[str, Any] | None = None,
    by: str = driving.DRIVER,
) -> Attempt:
    """A new attempt of a step on a server, under a prompt id of our own; where one is open, that one.

    Args:
        step: what `workflows.checked` takes; the workflow is made of it, where it is not there yet.
    Raises:
        NotFound: its chain is gone. Conflict: it was cancelled or skipped, or is in the trash.
        UnknownServer. Invalid: `step` has a wrong value.
    """
    address = library.config.server(server).name
    columns = workflows.checked(library, **step)
    with library.writing(by) as tx:
        workflows.ensure(tx, columns)
        workflow = workflows.row_of(columns["id"])
        if workflow["status"] in ("cancelled", "skipped"):
            raise Conflict(f"workflow {workflow['id']} is {workflow['status']}")
        newest = attempts.newest_row(workflow["id"])
        if newest is not None and newest["status"] in UNDER_WAY:
            return Attempt.of(newest)
        return Attempt.of(_begin(tx, workflow, address, overrides))


def get_overrides(library: Library, attempt_id: str) -> dict[str, Any]:
    """What was asked for in an attempt in place of the definition's parameters: `node_id.input` to values."""
    with library.reading():
        return _overrides(attempt_id)


def list_overrides(library: Library, workflow_id: str) -> dict[str, dict[str, Any]]:
    """As `get_overrides`, of every attempt of a workflow, by the attempts' ids; one that has none is left out."""
    table = models.Override
    with library.reading():
        query = table.select(table.attempt_id, table.parameters).join(models.Attempt)
        rows = all_rows(query.where(models.Attempt.workflow_id == workflow_id))
        return {row["attempt_id"]: dict(row["parameters"]) for row in rows}


def prepare(
    library: Library,
    attempt_id: str,
    *,
    parameters: dict[str, Any],
    workflow_definition: dict[str, Any],
    artifact_ids: Sequence[str],
    by: str = driving.DRIVER,
) -> Attempt:
    """Write down what is about to be queued.

    Args:
        artifact_ids: what it is made of. Their bytes were proven, and a decision may have come since.
    Raises:
        NotFound: it is gone with its chain. Conflict: it has ended. NotUsable: one of these may not travel any more.
    """
    with library.writing(by) as tx:
        attempt = _open_row(attempt_id)
        for artifact_id in artifact_ids:
            artifacts.refuse_unusable(artifacts.view(library, artifacts.row_of(artifact_id)))
        columns = {"parameters": parameters, "workflow_definition": workflow_definition}
        _change_both(tx, attempt, columns, before=None, after=dict.fromkeys(columns, "changed"))
        return Attempt.of({**attempt, **columns})


def acknowledge(library: Library, attempt_id: str, *, by: str = driving.DRIVER) -> None:
    """Its server has taken it.

    Raises:
        NotFound: it is gone with its chain. Conflict: it has ended.
    """
    with library.writing(by) as tx:
        attempt = _open_row(attempt_id)
        if attempt["status"] == "queued":
            attempts.proceed(tx, attempt, "executing")


def conclude(library: Library, attempt_id: str, *, status: str, error: str | None, by: str = driving.DRIVER) -> None:
    """Say how an attempt ended whose outputs nobody collects; one that has ended stays as it is.

    With the status that it has, `error` says what it waits for.

    Raises:
        NotFound: it is gone with its chain.
    """
    with library.writing(by) as tx:
        attempts.end(tx, attempts.Ending(attempt_id, status, error))


def move(library: Library, attempt_id: str, *, server: str, by: str = driving.DRIVER) -> None:
    """Another server is to run it than the one that it was begun for, which was sent nothing yet.

    Raises:
        NotFound: it is gone with its chain. UnknownServer. Conflict: it has ended, or its prompt may have been queued.
    """
    address = library.config.server(server).name
    with library.writing(by) as tx:
        attempt = _open_row(attempt_id)
        if attempt["server_address"] == address:
            return
        if attempt["workflow_definition"] is not None:
            raise Conflict(f"its prompt may have come to {attempt['server_address']!r} already")
        columns = {"server_address": address}
        _change_both(tx, attempt, columns, before={"server_address": attempt["server_address"]}, after=columns)


def withdraw(library: Library, attempt_id: str, *, reason: str, by: str = driving.DRIVER) -> None:
    """It does not run, since what one before it made could be had after all: the workflow is completed by that one.

    Raises:
        NotFound: it is gone with its chain. Conflict: it has ended otherwise, or none before it was completed.
    """
    with library.writing(by) as tx:
        if attempts.row_of(attempt_id)["status"] == "skipped":
            return
        attempt = _open_row(attempt_id)
        table = models.Attempt
        before = (table.workflow_id == attempt["workflow_id"]) & (table.number < attempt["number"])
        if not table.select().where(before & (table.status == "completed")).exists():
            raise Conflict("no attempt before it was completed")
        attempts.change(tx, attempt, "skipped", reason)
        attempts.settle(tx, attempt["workflow_id"], "completed")


def skip(library: Library, workflow_id: str, *, reason: str, by: str = driving.DRIVER) -> None:
    """A step that does not run in this chain.

    Raises:
        NotFound: the workflow is gone.
    """
    with library.writing(by) as tx:
        workflow = workflows.row_of(workflow_id)
        if workflow["status"] == "queued" and attempts.newest_row(workflow["id"]) is None:
            attempts.settle(tx, workflow["id"], "skipped", reason)


def give_up(library: Library, artifact_id: str, *, error: str, by: str = driving.DRIVER) -> None:
    """A step has failed, since nobody has decided in time on what it offers.

    Raises:
        NotFound: the artifact is gone. Conflict: it is no head any more, or somebody has decided meanwhile.
    """
    with library.writing(by) as tx:
        offered = artifacts.row_of(artifact_id)
        if not offered["is_head"] or offered["approval_status"] != "pending":
            raise Conflict("somebody has decided meanwhile", artifact=artifacts.view(library, offered))
        attempts.settle(tx, offered["workflow_id"], "failed", error)


def fail(library: Library, workflow_id: str, *, error: str, by: str = driving.DRIVER) -> None:
    """A step that cannot even begin.

    Raises:
        NotFound: the workflow is gone.
    """
    with library.writing(by) as tx:
        workflow = workflows.row_of(workflow_id)
        if workflow["status"] not in ("cancelled", "skipped"):
            attempts.settle(tx, workflow["id"], "failed", error)


def retry(
    library: Library, workflow_id: str, *, parameters: dict[str, Any] | None, by: str, revision: int | None = None
) -> Workflow:
    """Run a step of a driven chain again: its outputs become the next versions. A chain that had failed goes on.

    Args:
        parameters: `node_id.input` to values in place of the definition's; None keeps those of the last attempt.
    Raises:
        NotFound: the workflow is not there, or no engine drives its chain. StaleRevision.
        Invalid: a parameter is wrong.
        Conflict: it is running, or its chain was cancelled.
    """
    if parameters is not None and not all(isinstance(key, str) and "." in key for key in parameters):
        raise Invalid("parameters are `node_id.input` to values", field="parameters")
    with library.writing(by) as tx:
        workflow = workflows.row_of(workflow_id)
        revisions.check(workflow, revision)
        again(tx, workflow, parameters)
        return Workflow.of(workflows.row_of(workflow["id"]))


def again(tx: Transaction, workflow: dict[str, Any], parameters: dict[str, Any] | None) -> None:
    """As `retry`, inside the caller's transaction."""
    if workflow["chain_id"] is None:
        raise NotFound(f"workflow {workflow['id']} is no step of a chain")
    newest = attempts.newest_row(workflow["id"])
    if newest is not None and newest["status"] in UNDER_WAY:
        raise Conflict(f"it is {newest['status']} at this moment: cancel the chain, or wait")
    _refuse_unknown(workflow, parameters)
    driving.reopen(tx, workflow["chain_id"])
    before = _overrides(newest["id"]) if newest else {}
    address = newest["server_address"] if newest else workflow["server_address"]
    _begin(tx, workflow, address, {**before, **(parameters or {})})


def runs_again(workflow_id: str, attempt_id: str | None, parameters: dict[str, Any]) -> bool:
    """Whether a workflow has an attempt after this one that was asked for with these parameters.

    Inside the caller's transaction.
    """
    newest = attempts.newest_row(workflow_id)
    if newest is None or newest["id"] == attempt_id:
        return False
    asked = _overrides(newest["id"])
    return all(key in asked and asked[key] == value for key, value in parameters.items())


def resume(library: Library, chain_id: str, *, by: str, revision: int | None = None) -> None:
    """See to it that a chain goes on: one that failed tries the steps again that did; one that has not ended is left.

    Raises:
        NotFound: there is no such chain, or no engine drives it. Conflict: it was cancelled, or is completed.
    """
    with library.writing(by) as tx:
        chain = chains.row_of(chain_id)
        revisions.check(chain, revision)
        if chain["status"] == "completed":
            raise Conflict(f"chain {chain['id']} is completed; rerun it")
        driving.reopen(tx, chain["id"], waiting=False)
        if chain["status"] != "failed":
            return
        steps = models.Workflow.select().where(
            (models.Workflow.chain_id == chain["id"]) & models.Workflow.status.in_(("failed", "outcome_unknown"))
        )
        for workflow in all_rows(steps):
            if workflow["step_id"] is not None:
                again(tx, workflow, None)


def cancel(library: Library, chain_id: str, *, by: str, revision: int | None = None) -> list[Attempt]:
    """Cancel a chain with all of its steps that have not ended. One that was cancelled before stays as it is.

    Returns:
        The attempts that were open: their prompts are the caller's to end on their servers, also where it was
        cancelled before, since whoever did that may have died, or a server been away.
    Raises:
        NotFound: there is no such chain. StaleRevision. Conflict: it has ended, and not by being cancelled.
    """
    with library.writing(by) as tx:
        chain = chains.row_of(chain_id)
        if chain["status"] == "cancelled":
            return _cancelled(chain["id"])
        revisions.check(chain, revision)
        if chain["status"] in FINISHED_CHAIN:
            raise Conflict(f"chain {chain['id']} has ended: it is {chain['status']}")
        running = []
        steps = models.Workflow.select().where(models.Workflow.chain_id == chain["id"])
        for workflow in all_rows(steps):
            if workflow["status"] not in UNFINISHED_WORKFLOW:
                continue
            newest = attempts.newest_row(workflow["id"])
            if newest is not None and newest["status"] in UNDER_WAY:
                running.append(Attempt.of(newest))
                attempts.change(tx, newest, "cancelled", f"cancelled by {by}")
            attempts.settle(tx, workflow["id"], "cancelled", f"cancelled by {by}")
        driving.settle(tx, chain["id"], status="cancelled", error=f"cancelled by {by}")
        return running


def _cancelled(chain_id: str) -> list[Attempt]:
    steps = models.Workflow.select(models.Workflow.id).where(models.Workflow.chain_id == chain_id)
    newest = [attempts.newest_row(workflow["id"]) for workflow in all_rows(steps)]
    return [Attempt.of(row) for row in newest if row is not None and row["status"] == "cancelled"]


def _begin(tx: Transaction, workflow: dict[str, Any], address: str, overrides: dict[str, Any] | None) -> dict[str, Any]:
    prompt_id = identities.new_id()
    attempt_id = attempts.add(
        tx,
        workflow["id"],
        server_address=address,
        prompt_id=prompt_id,
        status="queued",
        requested_by=tx.actor,
    )
    if overrides:
        insert(models.Override, {"attempt_id": attempt_id, "parameters": overrides})
    columns = {"server_address": address, "prompt_id": prompt_id, "status": "queued", "error_message": None}
    also = {"completed_at": None, "updated_at": tx.at, "revision": workflow["revision"] + 1}
    update(models.Workflow, workflow["id"], {**columns, **also})
    tx.log(
        "workflow.updated",
        "workflow",
        workflow["id"],
        workflow_id=workflow["id"],
        before={key: workflow[key] for key in columns},
        after=columns,
    )
    return attempts.row_of(attempt_id)


def _change_both(
    tx: Transaction,
    attempt: dict[str, Any],
    columns: dict[str, Any],
    *,
    before: dict[str, Any] | None,
    after: dict[str, Any],
) -> None:
    """Write columns that an attempt and its workflow have in common; `before` and `after` are what the log tells."""
    workflow_id = attempt["workflow_id"]
    revision = workflows.row_of(workflow_id)["revision"] + 1
    for model, kind, entity_id, more in (
        (models.Attempt, "attempt", attempt["id"], {}),
        (models.Workflow, "workflow", workflow_id, {"revision": revision}),
    ):
        update(model, entity_id, {**columns, **more, "updated_at": tx.at})
        tx.log(f"{kind}.updated", kind, entity_id, workflow_id=workflow_id, before=before, after=after)


def _overrides(attempt_id: str) -> dict[str, Any]:
    row = _override.row(attempt_id)
    return dict(row["parameters"]) if row else {}


@prepared
def _override(attempt_id: Any) -> Any:
    return models.Override.select().where(models.Override.attempt_id == attempt_id)


def _open_row(attempt_id: str) -> dict[str, Any]:
    attempt = attempts.row_of(attempt_id)
    if attempt["status"] not in UNDER_WAY:
        raise Conflict(f"this attempt has ended: it is {attempt['status']}")
    return attempt


def _refuse_unknown(workflow: dict[str, Any], parameters: dict[str, Any] | None) -> None:
    graph = workflow["workflow_definition"]
    for key in parameters or {}:
        node_id, _, name = key.partition(".")
        if graph is not None and name not in graph.get(node_id, {}).get("inputs", {}):
            raise Invalid(f"the workflow has no input {key!r}", field="parameters")
