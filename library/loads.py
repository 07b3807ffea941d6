"""Owns which artifact somebody means who names a chain, a step, a workflow or an output rather than an id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peewee import SQL

from ..db import models
from ..db.querying import first_row
from ..errors import Gone, Invalid, NotFound, NotUsable
from . import artifacts, identities, names, workflows
from .views import Artifact

if TYPE_CHECKING:
    from .opening import Library


@dataclass(frozen=True)
class Wanted:
    """What is asked for: an artifact by id, else the current artifact (or the head of `output`) of a workflow.

    `chain` and `workflow` are names or ids; of a name the newest is meant.
    """

    artifact_id: str = ""
    chain: str = ""
    step: str = ""
    workflow: str = ""
    output: str = ""

    def checked(self) -> Wanted:
        """The same in its one spelling.

        Raises:
            Invalid: it names nothing, or a name looks like a path or a URL; it says which field.
        """
        wanted = self.checked_names()
        if not (wanted.artifact_id or wanted.chain or wanted.workflow):
            raise Invalid("name an artifact_id, a chain or a workflow", field="artifact_id")
        return wanted

    def checked_names(self) -> Wanted:
        """As `checked`, where what is empty here may still be given."""
        artifact_id = names.checked_text(self.artifact_id, "artifact_id", empty=True)
        output = names.checked_text(self.output, "output", empty=True)
        return Wanted(
            artifact_id=identities.checked_id(artifact_id, "artifact_id") if artifact_id else "",
            chain=names.checked_name(self.chain, "chain", empty=True),
            step=names.checked_name(self.step, "step", empty=True),
            workflow=names.checked_name(self.workflow, "workflow", empty=True),
            output=names.checked_output_key(output, "output") if output else "",
        )


def resolve(library: Library, wanted: Wanted) -> Artifact:
    """The artifact that is meant, usable or not.

    Raises:
        Invalid: a name is wrong. NotFound: there is no such chain, workflow or output, or it has no artifact yet.
    """
    wanted = wanted.checked()
    with library.reading():
        if wanted.artifact_id:
            return artifacts.view(library, artifacts.row_of(wanted.artifact_id))
        workflow = _workflow(wanted)
        table = models.Artifact
        query = table.select().where(table.workflow_id == workflow["id"])
        if wanted.output:
            query = query.where((table.output_key == wanted.output) & (table.is_head == SQL("TRUE")))
        else:
            query = query.where(table.is_latest == SQL("TRUE"))
        row = first_row(query)
        if row is None:
            what = f"output {wanted.output!r}" if wanted.output else "an artifact"
            raise NotFound(f"workflow {workflow['workflow_name']!r} ({workflow['id']}) does not have {what} yet")
        return artifacts.view(library, row)


def find(library: Library, wanted: Wanted, *, last_approved: bool = False) -> Artifact:
    """What is meant, by its state and its file; its bytes are not read.

    Args:
        last_approved: while it is not usable, the newest usable version of the same output in its place.
    Raises:
        Invalid, NotFound: as `resolve`. NotUsable: no version of the output is usable.
    """
    artifact = resolve(library, wanted)
    if last_approved and artifacts.why_not_usable(artifact) is not None:
        return artifacts.last_approved(library, artifact)
    return artifact


def take(library: Library, wanted: Wanted, *, last_approved: bool = False) -> Artifact:
    """The same, usable and its bytes proven.

    Raises:
        Invalid, NotFound: as `resolve`. NotUsable, Gone: as `artifacts.require_usable`.
    """
    artifact = find(library, wanted, last_approved=last_approved)
    try:
        return artifacts.require_usable(library, artifact)
    except (NotUsable, Gone):
        if not last_approved:
            raise
        return artifacts.last_approved(library, artifact)


def _workflow(wanted: Wanted) -> dict[str, Any]:
    table = models.Workflow
    query = table.select(table.id, table.workflow_name).where(workflows.is_there())
    if wanted.chain:
        query = query.where(table.chain_id == chain_id_of(wanted.chain))
    if wanted.step:
        query = query.where(table.step_id == wanted.step)
    if identities.is_id(wanted.workflow):
        query = query.where(table.id == wanted.workflow.lower())
    elif wanted.workflow:
        query = query.where(table.workflow_name == wanted.workflow)
    row = first_row(query.order_by(table.created_at.desc(), table.id.desc()))
    if row is None:
        named = {"chain": wanted.chain, "step": wanted.step, "workflow": wanted.workflow}
        told = ", ".join(f"{key} {value!r}" for key, value in named.items() if value)
        raise NotFound(f"nothing is recorded for {told} yet")
    return row


def chain_id_of(chain: str) -> str:
    """The chain that a name or an id means: of a name the newest run. Inside the caller's transaction.

    Raises:
        NotFound: no chain has this name.
    """
    if identities.is_id(chain):
        return chain.lower()
    table = models.Chain
    query = table.select(table.id).where((table.name == chain) & table.deleted_at.is_null())
    found: str | None = query.order_by(table.started_at.desc(), table.id.desc()).limit(1).scalar()
    if found is None:
        raise NotFound(f"no chain is called {chain!r} yet")
    return found
