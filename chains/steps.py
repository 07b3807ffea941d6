"""Owns what a step does, once for every engine: each call does what can be done now, and says when to look again.

Everything that it knows is in the database, so that whoever calls it next goes on where the last one was, also after a
crash between any two lines: an attempt is written down before its prompt is queued, and a prompt is never queued again
while its server can tell what became of it.
"""

from __future__ import annotations

import copy
import logging
from contextlib import suppress
from typing import Any

from ..db.statuses import UNDER_WAY
from ..errors import (
    ArtifactDBError,
    Conflict,
    Incomplete,
    NotUsable,
    PromptRefused,
    ServerFailed,
    StoreFailed,
    TooNew,
    Unavailable,
    UnknownServer,
)
from ..library import artifacts, fetching
from ..library.views import Artifact, Attempt, Workflow
from . import expressions, prompts
from .definitions import ANY, Step
from .driven import Chain
from .expressions import BadExpression
from .outputs import Put, StepOutputs, read_text
from .stages import OVER, Next, Stage

logger = logging.getLogger("artifact_db.chains")

AWAY = 60.0
"""Seconds for which a server may be away before the prompt that it runs has an unknown outcome."""


def find(chain: Chain, step: Step) -> Workflow | None:
    """The workflow of a step; None where it has none yet."""
    return chain.records.find_step(chain.workflow_id(step))[0]


def ensure(chain: Chain, step: Step) -> Workflow:
    """The workflow of a step, made where there is none."""
    return find(chain, step) or chain.records.create_workflow(**_columns(chain, step))


def advance(chain: Chain, step: Step, done: dict[str, Workflow], only: Stage | None = None) -> Next:
    """Do what can be done now for a step whose dependencies have ended.

    Args:
        done: the workflows of the steps before it.
        only: do nothing that belongs to another stage; what is next is told all the same.
    """
    workflow, newest = chain.records.find_step(chain.workflow_id(step))
    if workflow is not None and workflow.status in ("skipped", "cancelled"):
        return OVER
    try:
        if newest is not None and newest.status in UNDER_WAY:
            return _go_on(chain, step, newest, done, only)
        wait = due_in(chain, step, newest) if newest is not None else 0.0
        if wait is None:
            return OVER
        if wait > 0 or only not in (None, Stage.BEGIN):
            return Next(Stage.BEGIN, wait)
        if newest is None and step.condition is not None and not _holds(chain, step, done):
            chain.records.skip(ensure(chain, step).id, reason=f"its condition is false: {step.condition}")
            return OVER
        begun = _begin(chain, step, newest)
        return _go_on(chain, step, begun, done, only) if isinstance(begun, Attempt) else begun
    except BadExpression as error:
        _give_up(chain, step, f"a template cannot be filled in: {error}")
        return OVER
    except Conflict as error:
        logger.info("step %s of chain %s changed meanwhile: %s", step.id, chain.id, error)
        return Next(None, prompts.SOONEST * 10)


def due_in(chain: Chain, step: Step, attempt: Attempt) -> float | None:
    """The seconds until a step is to be tried again after this attempt; None where it is not."""
    if attempt.id in chain.given_up:
        return None
    if attempt.status not in ("failed", "outcome_unknown") or attempt.number >= step.retry.attempts:
        return None
    wait: float = step.retry.backoff * 2.0 ** (attempt.number - 1)
    return max(0.0, wait - prompts.since(chain, attempt.completed_at))


def _columns(chain: Chain, step: Step) -> dict[str, Any]:
    """What the workflow of a step is made of."""
    return {
        "id": chain.workflow_id(step),
        "chain_id": chain.id,
        "step_id": step.id,
        "workflow_name": step.workflow_name,
        "requires_approval": step.requires_approval,
        "workflow_definition": dict(step.workflow),
        **chain.temporal,
    }


def _begin(chain: Chain, step: Step, last: Attempt | None) -> Attempt | Next:
    """A new attempt, with the workflow where that is not there yet; what is next instead where there can be none."""
    try:
        server = chain.servers.choose(step.server, step.workflow)
        overrides = chain.records.get_overrides(last) if last is not None else None
        begun = chain.records.begin_attempt(_columns(chain, step), server=server, overrides=overrides)
    except UnknownServer as error:
        if last is not None:
            chain.given_up.add(last.id)
        chain.records.fail(ensure(chain, step).id, error=str(error))
        return OVER
    except ServerFailed as error:
        # Nothing was tried yet: it waits until one is there, however long that takes, and says so.
        logger.warning("step %s of chain %s waits: %s", step.id, chain.id, error)
        return Next(Stage.BEGIN, chain.patience("any", prompts.SOONEST * 10))
    chain.away.pop("any", None)
    return begun


def _go_on(chain: Chain, step: Step, attempt: Attempt, done: dict[str, Workflow], only: Stage | None) -> Next:
    stages = (Stage.DELIVER,) if attempt.workflow_definition is None else (Stage.EXECUTE, Stage.COLLECT)
    if only not in (None, *stages):
        return Next(stages[0])
    try:
        if attempt.workflow_definition is None:
            if attempt.server_address not in chain.records.config.servers:
                # Whoever asked for the step again knew of no server yet, or of one that is not configured any more.
                chain.records.move(attempt.id, server=chain.servers.choose(step.server, step.workflow))
                return Next(Stage.DELIVER)
            if (settled := _settle_last(chain, attempt)) is not None:
                return settled
            attempt = _prepare(chain, step, attempt, done)
            following = Next(Stage.EXECUTE, prompts.send(chain, step, attempt) if only is None else 0.0)
        else:
            following = prompts.follow(chain, step, attempt, collecting=only is not Stage.EXECUTE)
        chain.away.pop(attempt.server_address, None)
        return following
    except PromptRefused as error:
        chain.records.conclude(attempt.id, status="failed", error=str(error))
        return OVER
    except Incomplete as error:
        return _ask_again(chain, attempt, attempt, error, Stage.COLLECT)
    except ServerFailed as error:
        if attempt.workflow_definition is None and (other := _elsewhere(chain, step, attempt)) is not None:
            chain.left.setdefault(attempt.id, set()).add(attempt.server_address)
            chain.records.move(attempt.id, server=other)
            return Next(Stage.DELIVER)
        wait = chain.patience(attempt.server_address, prompts.SOONEST)
        if fetching.may_pass(error) and chain.waited(attempt.server_address) < AWAY:
            logger.info("step %s of chain %s waits: %s", step.id, chain.id, error)
            return Next(only or stages[0], wait)
        # A prompt that was never acknowledged was never begun, as far as anybody can tell.
        status = "outcome_unknown" if attempt.status == "executing" else "failed"
        chain.records.conclude(attempt.id, status=status, error=str(error))
        return OVER
    except NotUsable as error:
        return _not_usable(chain, attempt, done, error)
    except (BadExpression, Conflict, StoreFailed, TooNew, Unavailable):
        raise  # The disk or the database is away: that is not the attempt's fault, and passes.
    except ArtifactDBError as error:
        chain.records.conclude(attempt.id, status="failed", error=str(error))
        return OVER


def _settle_last(chain: Chain, attempt: Attempt) -> Next | None:
    """Before a step runs again: see whether its server can tell by now what became of the attempt before.

    Returns:
        What is next, since that attempt's prompt runs yet, or its outputs are there, or may come; None where the step
        has to run.
    """
    last = chain.records.sent_before(attempt)
    if last is None or last.status not in ("failed", "outcome_unknown", "completed"):
        return None
    if chain.records.get_overrides(last) != chain.records.get_overrides(attempt):
        return None
    if last.status == "completed":
        if (last.completed_at or "") < attempt.created_at:
            return None  # Somebody wants another one.
    else:
        try:
            history, place = prompts.ask(chain, last)
        except UnknownServer:
            return None
        except ServerFailed:
            if last.server_address == attempt.server_address:
                raise
            return None
        if place is not None:
            was_ended = last.status == "failed" and last.started_at is not None
            if was_ended and last.server_address != attempt.server_address:
                return None  # Its server was told to end it, and does not.
            return Next(Stage.DELIVER, prompts.LATEST)
        if history is None or history.ending != "success":
            return None
        try:
            prompts.collect(chain, last, history, patient=False)
        except Incomplete as error:
            return None if error.data["lasting"] else _ask_again(chain, attempt, last, error, Stage.DELIVER)
    reason = f"not run: what attempt {last.number} made could be collected after all"
    chain.records.withdraw(attempt.id, reason=reason)
    return OVER


def _not_usable(chain: Chain, attempt: Attempt, done: dict[str, Workflow], error: NotUsable) -> Next:
    """What an attempt needs may not be had now: what is next, where nothing else of the chain waits for that.

    Raises:
        NotUsable: somebody has decided otherwise meanwhile; the chain waits for the step that it came from.
    """
    artifact: Artifact = error.data["artifact"]
    of_chain = artifact.workflow_id in {workflow.id for workflow in done.values()}
    if of_chain and artifacts.why_not_usable(artifact) is not None:
        source, _ = chain.records.find_step(artifact.workflow_id)
        others = [head.id for head in chain.records.list_heads(artifact.workflow_id)][1:]
        if source is None or source.status in UNDER_WAY or artifact.id not in others:
            raise error
    if artifact.approval_status == "pending":
        if attempt.error_message != str(error):
            chain.records.conclude(attempt.id, status=attempt.status, error=str(error))
        return Next(Stage.DELIVER, prompts.LATEST)
    chain.records.conclude(attempt.id, status="failed", error=str(error))
    return OVER


def _ask_again(chain: Chain, attempt: Attempt, holder: Attempt, error: Incomplete, stage: Stage) -> Next:
    """Outputs of the prompt that `holder` has are missing: when to ask again, for `attempt` in its stage."""
    wait = chain.patience(holder.id, prompts.LATEST, 30.0)
    if chain.waited(holder.id) >= prompts.COLLECTING:
        chain.given_up.add(attempt.id)
        chain.records.conclude(attempt.id, status="failed", error=str(error))
        return OVER
    logger.info("outputs of prompt %s are collected again: %s", holder.prompt_id, error)
    return Next(stage, wait)


def _elsewhere(chain: Chain, step: Step, attempt: Attempt) -> str | None:
    """Another server that can run a step which may run on any; None where there is none now that it has not left."""
    if step.server != ANY:
        return None
    with suppress(ServerFailed):
        besides = {attempt.server_address, *chain.left.get(attempt.id, ())}
        return chain.servers.choose(ANY, step.workflow, besides=besides)
    return None


def _prepare(chain: Chain, step: Step, attempt: Attempt, done: dict[str, Workflow]) -> Attempt:
    """Fill in the graph, and deliver what it names."""
    taken: list[str] = []

    def deliver(artifact: Artifact) -> str:
        taken.append(artifact.id)
        return chain.records.deliver(attempt, artifact.id)

    def put(artifact: Artifact) -> str:
        if artifact.file_type != "text":
            return deliver(artifact)
        taken.append(artifact.id)
        return read_text(chain.records, artifact)

    context = _context(chain, done, put)
    overrides = chain.records.get_overrides(attempt)
    wanted = {**step.parameters, **overrides}
    values = expressions.filled(wanted, context)
    for key, template in step.inputs.items():
        if key not in overrides:
            named = expressions.filled(template, context)
            values[key] = deliver(chain.records.get_artifact(str(named)))
    graph = copy.deepcopy(dict(step.workflow))
    for key, value in values.items():
        node_id, _, name = key.partition(".")
        graph[node_id]["inputs"][name] = value
    return chain.records.prepare(attempt.id, parameters=values, workflow_definition=graph, artifact_ids=taken)


def _holds(chain: Chain, step: Step, done: dict[str, Workflow]) -> bool:
    assert step.condition is not None

    def put(artifact: Artifact) -> str:
        return read_text(chain.records, artifact) if artifact.file_type == "text" else artifact.filename

    return expressions.holds(step.condition, _context(chain, done, put))


def _context(chain: Chain, done: dict[str, Workflow], put: Put) -> dict[str, Any]:
    steps = {step_id: StepOutputs(chain.records, step_id, workflow, put) for step_id, workflow in done.items()}
    return {**chain.parameters, **steps}


def _give_up(chain: Chain, step: Step, error: str) -> None:
    _, attempt = chain.records.find_step(chain.workflow_id(step))
    if attempt is not None and attempt.status in UNDER_WAY:
        chain.records.conclude(attempt.id, status="failed", error=error)
    else:
        chain.records.fail(ensure(chain, step).id, error=error)
