"""Owns how a chain begins: checked as a whole, its files recorded, then handed to an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import Invalid
from ..library import chains, driving, identities, uploads, workflows
from ..library.opening import Library
from ..library.views import Chain
from ..media.kinds import HEAD_SIZE, classify
from . import checking, definitions, expressions
from .definitions import Definition, Step
from .expressions import BadExpression
from .files import Tree


def start(
    library: Library,
    definition: Definition,
    *,
    parameters: Mapping[str, Any],
    actor: str,
    id: str | None = None,
    engine: str = "local",
    folder: Path | None = None,
) -> Chain:
    """Make a chain of a definition and hand it to an engine. With an `id` of the caller's it is safe to repeat.

    Args:
        parameters: values in place of the definition's defaults.
        engine: one of `driving.ENGINES`.
        folder: where files lie that `inputs` name; None takes ids of artifacts only.
    Raises:
        Invalid: there is no such engine; a parameter is not one of the definition's; a file is not there.
        Conflict: the id is another chain's.
    """
    driving.checked_engine(engine)
    unknown = sorted(set(parameters) - set(definition.parameters))
    if unknown:
        known = ", ".join(definition.parameters) or "none"
        raise Invalid(f"the chain has no parameter {unknown[0]!r} (it has {known})", field="parameters")
    files = _files(definition, {**definition.parameters, **parameters}, folder)
    ids = {path: identities.new_id() for path in dict.fromkeys(files.values())}
    definition = _with_artifacts(definition, {where: ids[path] for where, path in files.items()})
    chain = create(library, definition, actor=actor, id=id)
    if ids:
        _record(library, chain, ids, actor)
    driving.start(library, chain.id, engine=engine, parameters=dict(parameters), actor=actor)
    return chains.get_chain(library, chain.id)


def start_inline(
    library: Library,
    table: Mapping[str, Any] | None,
    *,
    name: str,
    parameters: Mapping[str, Any],
    actor: str,
    description: str | None = None,
    id: str | None = None,
    engine: str = "local",
) -> Chain:
    """As `start`, of a definition that has its graphs in it; `name` and `description` stand for those in it.

    Raises:
        ChainInvalid: all that is wrong with it. Invalid, Conflict: as `start`.
    """
    if table is None:
        raise Invalid("a chain that is to run has a chain_definition", field="chain_definition")
    described = {} if description is None else {"description": description}
    definition = checking.check(Tree({**table, "name": name, **described}), servers=library.config.servers)
    return start(library, definition, parameters=parameters, actor=actor, id=id, engine=engine)


def create(library: Library, definition: Definition, *, actor: str, id: str | None) -> Chain:
    """The row of a chain of this definition, which nothing drives yet; with the `id` of one that is there, that one.

    Raises:
        Conflict: the id is another chain's.
    """
    chain, _ = chains.create_chain(
        library,
        id=id,
        name=definition.name,
        description=definition.description,
        chain_definition=definitions.stored(definition),
        actor=actor,
    )
    return chain


def _files(definition: Definition, values: Mapping[str, Any], folder: Path | None) -> dict[tuple[str, str], Path]:
    """The files that steps name, by step and input."""
    found: dict[tuple[str, str], Path] = {}
    for step in definition.steps:
        for key, template in step.inputs.items():
            where = f"steps.{step.id}.inputs.{key}"
            try:
                if set(expressions.used_in(template)) - set(values):
                    continue  # It names what a step before it makes.
                named = str(expressions.filled(template, values))
            except BadExpression as error:
                raise Invalid(f"{where}: {error}", field="inputs") from error
            if identities.is_id(named):
                continue
            if folder is None:
                raise Invalid(f"{where} is {named!r}: over HTTP it is the id of an artifact", field="inputs")
            path = folder / named
            if not path.is_file():
                raise Invalid(f"{where}: there is no file {path}", field="inputs")
            found[step.id, key] = path
    return found


def _with_artifacts(definition: Definition, ids: Mapping[tuple[str, str], str]) -> Definition:
    """The definition with artifacts in place of the files."""

    def named(step: Step) -> Step:
        return replace(step, inputs={key: ids.get((step.id, key), value) for key, value in step.inputs.items()})

    return replace(definition, steps=tuple(named(step) for step in definition.steps))


def _record(library: Library, chain: Chain, ids: Mapping[Path, str], actor: str) -> None:
    """The files become artifacts of the chain, so that lineage begins with them."""
    workflow, _ = workflows.create_workflow(
        library, workflow_name="inputs", chain_id=chain.id, status="completed", actor=actor
    )
    for path, artifact_id in ids.items():
        with library.store.copying(path) as part, path.open("rb") as file:
            kind = classify(file.read(HEAD_SIZE), path.name)
            uploads.upload(
                *(library, workflow.id, part, kind),
                by=actor,
                filename=path.name,
                new_id=artifact_id,
                status="auto_approved",
            )
