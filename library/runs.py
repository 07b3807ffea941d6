"""Owns how an execution that a server tells of finds its chain, its workflow and its attempt, or begins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from peewee import JOIN

from ..db import models
from ..db.querying import prepared
from ..db.statuses import FINISHED_CHAIN
from ..errors import NotFound
from . import attempts, chains, identities, workflows

if TYPE_CHECKING:
    from .opening import Transaction


@dataclass(frozen=True)
class Run:
    """What a server tells of an execution as it records an output. `chain` is a name or an id; empty for standalone.

    `inputs` are the ids of the artifacts that went into it; `others` those of the workflows that it tells of under
    other names.
    """

    server_address: str
    prompt_id: str
    workflow_name: str
    chain: str = ""
    step: str = ""
    workflow_definition: dict[str, Any] | None = None
    extra_pnginfo: dict[str, Any] | None = None
    client_id: str | None = None
    requested_by: str | None = None
    inputs: Sequence[str] = field(default_factory=tuple)
    others: Sequence[str] = field(default_factory=tuple)


def begin(tx: Transaction, run: Run, workflow_id: str) -> tuple[str, str]:
    """The workflow and attempt that hold this server and prompt id, made where there are none.

    Returns:
        The workflow's id, which is `workflow_id` where one was made, and the attempt's.
    Raises:
        NotFound: `run.chain` is an id of no chain. One in the trash is joined too: what an execution still brings is
            recorded there, where it is found when the chain is taken out, since its bytes may be nowhere else.
    """
    held = _held(run)
    if held is not None:
        _take_up(tx, run, held)
        found = held["workflow_id"], held["id"]
    else:
        chain_id = _join_chain(tx, run.chain) if run.chain else None
        found = _create(tx, run, workflow_id, chain_id)
    attempts.record_inputs(tx, found[1], run.inputs, via="node")
    return found


def recorded_outputs(attempt_id: str) -> dict[str, dict[str, Any]]:
    """What is recorded of the execution that an attempt holds, in whichever workflow: the first row of each output.

    What is in the trash is among them: it was recorded, and then somebody did not want it. Edits are not.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in _recorded.rows(attempt_id):
        found.setdefault(row["output_key"], row)
    return found


@prepared
def _recorded(attempt_id: Any) -> Any:
    artifact, same, held = models.Artifact, models.Attempt.alias(), models.Attempt.alias()
    # Through the workflow, of whose artifacts there is an index.
    of_attempt = (same.id == artifact.attempt_id) & (same.workflow_id == artifact.workflow_id)
    execution = (same.prompt_id == held.prompt_id) & (same.server_address == held.server_address)
    query = artifact.select().join(same, on=of_attempt).join(held, on=execution)
    query = query.where((held.id == attempt_id) & artifact.parent_artifact_id.is_null())
    return query.order_by(artifact.version, artifact.id)


def holder(run: Run) -> str | None:
    """The attempt that holds this execution; None where nobody does."""
    held = _held(run)
    return held["id"] if held else None


def _held(run: Run) -> dict[str, Any] | None:
    """The attempt of this execution under these names; else the one of somebody who says more of it than they do."""
    rows = _of_execution.rows(run.prompt_id, run.server_address)
    exact = [row for row in rows if _is_of_chain(run, row) and (row["step_id"] or "") == run.step]
    wider = [
        row
        for row in rows
        if row["workflow_id"] not in run.others
        and (not run.chain or _is_of_chain(run, row))
        and run.step in ("", row["step_id"])
    ]
    return next(iter(exact or wider), None)


@prepared
def _of_execution(prompt_id: Any, server_address: Any) -> Any:
    attempt = models.Attempt
    return (
        attempt.select(
            *(attempt.id, attempt.workflow_id, attempt.number, attempt.status, attempt.started_at),
            attempt.workflow_definition.is_null().alias("is_bare"),
            *(models.Workflow.chain_id, models.Workflow.step_id),
        )
        .join(models.Workflow, on=(models.Workflow.id == attempt.workflow_id))
        .join(models.Chain, JOIN.LEFT_OUTER, on=(models.Chain.id == models.Workflow.chain_id))
        .where((attempt.prompt_id == prompt_id) & (attempt.server_address == server_address))
        .where(models.Chain.purged_at.is_null())
        .order_by(attempt.created_at, attempt.id)
    )


def _take_up(tx: Transaction, run: Run, attempt: dict[str, Any]) -> None:
    """An execution that was announced before it began: it runs now, and what it is made of is known now."""
    if attempt["is_bare"] and run.workflow_definition is not None:
        told = {"extra_pnginfo": run.extra_pnginfo, "client_id": run.client_id}
        attempts.define(tx, attempt, run.workflow_definition, **told)
    if attempt["status"] == "queued":
        attempts.proceed(tx, attempt, "executing")


def _is_of_chain(run: Run, row: dict[str, Any]) -> bool:
    if not run.chain or row["chain_id"] is None:
        return not run.chain and row["chain_id"] is None
    name = models.Chain.select(models.Chain.name).where(models.Chain.id == row["chain_id"])
    return row["chain_id"] == run.chain.lower() or bool(name.scalar() == run.chain)


def _join_chain(tx: Transaction, chain: str) -> str:
    """An id joins that chain; a name the newest unfinished run of that name that is in no trash, or begins one."""
    if identities.is_id(chain):
        chain_id = identities.checked_id(chain)
        if chains.any_row(chain_id) is None:
            raise NotFound(f"no chain {chain_id}")
        return chain_id
    query = models.Chain.select(models.Chain.id).where(
        (models.Chain.name == chain) & models.Chain.status.not_in(FINISHED_CHAIN) & models.Chain.deleted_at.is_null()
    )
    newest: str | None = query.order_by(models.Chain.started_at.desc(), models.Chain.id.desc()).limit(1).scalar()
    if newest is not None:
        return newest
    return chains.insert_chain(tx, identities.new_id(), name=chain, status="executing_level_0")


def _create(tx: Transaction, run: Run, workflow_id: str, chain_id: str | None) -> tuple[str, str]:
    workflows.insert_workflow(
        tx,
        id=workflow_id,
        chain_id=chain_id,
        step_id=run.step or None,
        workflow_name=run.workflow_name,
        server_address=run.server_address,
        prompt_id=run.prompt_id,
        status="executing",
        workflow_definition=run.workflow_definition,
    )
    attempt_id = attempts.add(
        tx,
        workflow_id,
        server_address=run.server_address,
        prompt_id=run.prompt_id,
        status="executing",
        workflow_definition=run.workflow_definition,
        extra_pnginfo=run.extra_pnginfo,
        client_id=run.client_id,
        requested_by=run.requested_by,
    )
    return workflow_id, attempt_id
