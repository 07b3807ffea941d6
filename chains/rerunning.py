"""Owns running a chain again from one of its steps: a new chain, which takes over what the others made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import Conflict, Invalid
from ..library import chains, driving, takeovers
from ..library.opening import Library
from ..library.views import Chain, Workflow
from . import checking, driven, expressions, files, starting, steps
from .definitions import Definition, Step, upstream
from .records import LocalRecords
from .servers import Servers


def rerun(
    library: Library,
    chain_id: str,
    *,
    from_step: str | None,
    parameters: Mapping[str, Any],
    actor: str,
    id: str | None = None,
) -> Chain:
    """Run a chain again as a new one; it knows which it came from. With an `id` of the caller's it is safe to repeat.

    Args:
        from_step: this step and all that waits for it run again, and so do those that the chain went on without when
            they failed; the others' artifacts are taken over. None: all run.
        parameters: other values, by `STEP.node_id.input` or by the name of a parameter of the chain.
    Raises:
        NotFound: there is no such chain. Invalid: the step, or a parameter, is none of it, or would change nothing.
        Conflict: it was never driven by an engine, or a step that is to be taken over has not ended.
    """
    old = chains.get_chain(library, chain_id)
    drive = driving.get_drive(library, chain_id)
    if drive is None:
        raise Conflict(f"chain {old.id} was not driven by an engine of this hub, which has no definition of it to run")
    definition = checking.check(files.Tree(old.chain_definition), servers=None)
    definition, values = _with(definition, parameters)
    records = LocalRecords(library)
    before = driven.Chain(records, old.id, definition, {}, Servers(records))
    sources = {step.id: steps.find(before, step) for step in definition.steps} if from_step is not None else {}
    gone_past = [step.id for step in definition.steps if step.on_error == "continue" and _failed(sources.get(step.id))]
    kept = _kept(definition, from_step, gone_past)
    _refuse_idle(parameters, definition, kept)
    unfinished = sorted(
        step.id for step in kept if (row := sources[step.id]) is None or row.status not in ("completed", "skipped")
    )
    if unfinished:
        raise Conflict(f"these steps have not ended, and cannot be taken over: {', '.join(unfinished)}")
    new = starting.create(library, definition, actor=actor, id=id)
    after = driven.Chain(records, new.id, definition, {}, before.servers)
    for step in kept:
        source = sources[step.id]
        assert source is not None
        takeovers.take_over(library, source, chain_id=new.id, workflow_id=after.workflow_id(step), by=actor)
    driving.start(
        library,
        new.id,
        engine=drive.engine,
        parameters={**drive.parameters, **values},
        actor=actor,
        source_chain_id=old.id,
    )
    return chains.get_chain(library, new.id)


def _with(definition: Definition, parameters: Mapping[str, Any]) -> tuple[Definition, dict[str, Any]]:
    """The definition with other values in its steps, and the chain's own parameters among them."""
    values: dict[str, Any] = {}
    changed: dict[str, dict[str, Any]] = {}
    by_id = {step.id: step for step in definition.steps}
    for name, value in parameters.items():
        step_id, _, widget = name.partition(".")
        node_id, _, input_name = widget.partition(".")
        if name in definition.parameters:
            values[name] = value
        elif step_id in by_id and input_name in by_id[step_id].workflow.get(node_id, {}).get("inputs", {}):
            changed.setdefault(step_id, {})[widget] = value
        else:
            raise Invalid(
                f"{name!r} is neither a parameter of the chain nor STEP.node_id.input of it", field="parameters"
            )

    def other(step: Step) -> Step:
        new = changed.get(step.id, {})
        kept = {key: value for key, value in step.inputs.items() if key not in new}
        return replace(step, parameters={**step.parameters, **new}, inputs=kept) if new else step

    return replace(definition, steps=tuple(other(step) for step in definition.steps)), values


def _failed(row: Workflow | None) -> bool:
    return row is not None and row.status in ("failed", "outcome_unknown")


def _kept(definition: Definition, from_step: str | None, gone_past: list[str]) -> list[Step]:
    if from_step is None:
        return []
    if from_step not in {step.id for step in definition.steps}:
        known = ", ".join(step.id for step in definition.steps)
        raise Invalid(f"the chain has no step {from_step!r} (it has {known})", field="from_step")
    depends_on = {step.id: step.depends_on for step in definition.steps}
    begin = {from_step, *gone_past}
    return [step for step in definition.steps if begin.isdisjoint({step.id, *upstream(depends_on, step.id)})]


def _refuse_idle(parameters: Mapping[str, Any], definition: Definition, kept: list[Step]) -> None:
    """Refuse what nothing that runs would use."""
    again = [step for step in definition.steps if step not in kept]
    used = {name for step in again for name in _names_in(step)}
    taken_over = {step.id for step in kept}
    for name in parameters:
        step_id = name.partition(".")[0]
        if name in definition.parameters and name not in used:
            why = "no step that runs again uses it (a file that it named is an artifact by now: set STEP.node_id.input)"
        elif name not in definition.parameters and step_id in taken_over:
            why = f"step {step_id} is taken over as it is; run the chain again from that step"
        else:
            continue
        raise Invalid(f"{name!r} would change nothing: {why}", field="parameters")


def _names_in(step: Step) -> set[str]:
    """The names that a step's templates and its condition use."""
    condition = expressions.used_in_condition(step.condition) if step.condition is not None else {}
    return {*expressions.used_in([dict(step.inputs), dict(step.parameters)]), *condition}
