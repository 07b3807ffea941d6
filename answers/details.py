"""Owns what is told of one thing as a whole, from several questions to the library."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..errors import NotFound
from ..library import artifacts, attempts, chains, driving, events, executing, overviews, pages, workflows
from ..library.opening import Library
from ..library.views import Artifact, Chain, Workflow
from . import rendering


def chain(library: Library, chain_id: str) -> tuple[Chain, dict[str, Any]]:
    """A chain, and it as JSON with its steps, how it is driven, and what could not be delivered for it.

    Of `progress` only the hub that drives it hears, and says it in the place of none.

    Raises:
        NotFound: there is none with this id.
    """
    found = chains.get_chain(library, chain_id)
    drive = driving.get_drive(library, chain_id)
    steps = workflows.get_workflows_by_chain(library, chain_id)
    undelivered = overviews.get_undelivered(library, chain_id)
    return found, {
        **rendering.plain(found),
        "workflows": [rendering.workflow_summary(step) for step in steps],
        "drive": None if drive is None else rendering.plain(drive, without=("chain_id",)),
        "undelivered": [rendering.plain(transfer) for transfer in undelivered],
        "progress": [],
    }


def chain_summaries(library: Library, found: pages.Page[Chain], *, overview: bool) -> list[dict[str, Any]]:
    """Chains as lists show them; with an `overview` how each stands at a glance."""
    items = [rendering.chain_summary(one) for one in found.items]
    if overview:
        seen = overviews.get_overviews(library, [one.id for one in found.items])
        items = [{**item, "overview": asdict(seen[item["id"]])} for item in items]
    return items


def workflow(library: Library, workflow_id: str) -> tuple[Workflow, dict[str, Any]]:
    """A workflow, and it as JSON with its attempts.

    Raises:
        NotFound: there is none with this id.
    """
    found = workflows.get_workflow(library, workflow_id)
    asked = executing.list_overrides(library, workflow_id)
    tries = attempts.list_attempts(library, workflow_id)
    told = [{**rendering.plain(attempt), "overrides": asked.get(attempt.id, {})} for attempt in tries]
    name = chains.get_chain(library, found.chain_id).name if found.chain_id is not None else None
    return found, {**rendering.plain(found), "chain_name": name, "attempts": told}


def latest(library: Library, workflow_id: str, *, usable: bool = False, at: str | None = None) -> Artifact:
    """The current artifact of a workflow, or what was current at a time; `usable`: proven to be.

    Raises:
        NotFound: there is no such workflow, or it has no artifact yet. NotUsable, Gone: as `artifacts.require_usable`.
    """
    if at is not None:
        found = artifacts.get_current_at(library, workflow_id, at)
    else:
        found = artifacts.get_latest_artifact(library, workflow_id)
    if found is None:
        raise NotFound(f"workflow {workflow_id} {'had' if at else 'has'} no artifact {'then' if at else 'yet'}")
    return artifacts.require_usable(library, found) if usable else found


def history(library: Library, artifact_id: str, after: int, limit: int) -> dict[str, Any]:
    """A page of what happened to one artifact.

    Raises:
        NotFound: nothing ever did.
    """
    found = events.history(library, artifact_id, after=after, limit=limit + 1)
    if not found and after == 0:
        # The log outlives what it speaks of; where it says nothing, there was never anything.
        raise NotFound(f"no artifact {artifact_id}")
    return rendering.events(found, limit)
