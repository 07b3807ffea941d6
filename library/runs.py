"""Owns how an execution that a server tells of finds its chain, its workflow and its attempt, or begins them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..db import models
from ..db.querying import all_rows
from ..db.statuses import FINISHED_CHAIN
from ..errors import NotFound
from . import attempts, chains, identities, workflows

if TYPE_CHECKING:
    from .opening import Transaction


@dataclass(frozen=True)
class Run:
    """What a server tells of an execution as it records an output. `chain` is a name or an id; empty for standalone.

    `inputs` are the ids of the artifacts that went into it.
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


def begin(tx: Transaction, run: Run, workflow_id: str) -> tuple[str, str]:
    """The workflow and attempt that hold this server and prompt id, made where there are none.

    Returns:
        The workflow's id, which is `workflow_id` where one was made, and the attempt's.
    Raises:
        NotFound: `run.chain` is an id of no chain.
    """
    found = _find(run)
    if found is None:
        chain_id = _join_chain(tx, run.chain) if run.chain else None
        found = _create(tx, run, workflow_id, chain_id)
    attempts.record_inputs(tx, found[1], run.inputs, via="node")
    return found


def _find(run: Run) -> tuple[str, str] | None:
    query = (
        models.Attempt.select(
            models.Attempt.id, models.Attempt.workflow_id, models.Workflow.chain_id, models.Workflow.step_id
        )
        .join(models.Workflow, on=(models.Workflow.id == models.Attempt.workflow_id))
        .where((models.Attempt.prompt_id == run.prompt_id) & (models.Attempt.server_address == run.server_address))
        .order_by(models.Attempt.created_at, models.Attempt.id)
    )
    for row in all_rows(query):
        same_chain = not run.chain or row["chain_id"] == run.chain.lower() or _chain_name(row["chain_id"]) == run.chain
        if same_chain and (not run.step or (row["step_id"] or "") == run.step):
            return row["workflow_id"], row["id"]
    return None


def _chain_name(chain_id: str | None) -> str | None:
    name: str | None = models.Chain.select(models.Chain.name).where(models.Chain.id == chain_id).scalar()
    return name


def _join_chain(tx: Transaction, chain: str) -> str:
    """An id joins that chain; a name joins the newest unfinished run of that name, or begins one."""
    if identities.is_id(chain):
        chain_id = identities.checked_id(chain)
        if not models.Chain.select().where(models.Chain.id == chain_id).exists():
            raise NotFound(f"no chain {chain_id}")
        return chain_id
    query = models.Chain.select(models.Chain.id).where(
        (models.Chain.name == chain) & models.Chain.status.not_in(FINISHED_CHAIN)
    )
    newest: str | None = query.order_by(models.Chain.created_at.desc(), models.Chain.id.desc()).limit(1).scalar()
    if newest is not None:
        return newest
    return chains.insert_chain(tx, identities.new_id(), name=chain, status="executing_level_0")


def _create(tx: Transaction, run: Run, workflow_id: str, chain_id: str | None) -> tuple[str, str]:
    workflows.insert_workflow(
        tx,
        workflow_id,
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
        chain_id=chain_id,
        workflow_definition=run.workflow_definition,
        extra_pnginfo=run.extra_pnginfo,
        client_id=run.client_id,
        requested_by=run.requested_by,
    )
    return workflow_id, attempt_id
