"""Owns collecting: every output that a server's history reports of one prompt becomes an artifact, once.

One call is one transaction: what arrived in it and how the attempt ended are recorded together. Where some outputs
could not be had, the others are recorded and therefore safe, the attempt says which are missing, and the next call
brings the rest in a transaction of its own. Of a call that dies nothing is left, or all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..comfyui_client import History, Reported, Server
from ..db import models
from ..db.querying import all_rows
from ..errors import ArtifactDBError, Conflict, Incomplete, StoreFailed, Unavailable
from . import arrivals, artifacts, attempts, fetching, inputs, names, recording, runs, stores, workflows
from .arrivals import Arrived, Missing, named
from .views import Artifact, Attempt

if TYPE_CHECKING:
    from .opening import Library


class Receiver(fetching.Place, inputs.Known, Protocol):
    """Who records what is collected: a library, or a hub that is told over HTTP."""

    def store_id(self) -> str:
        """The id of its store."""

    def recorded_outputs(self, attempt_id: str) -> Collection[str]:
        """The output keys that the attempt has an artifact of."""

    def record(self, workflow_id: str, arrived: Sequence[Arrived], ending: attempts.Ending) -> None:
        """Record what arrived, with how the attempt ended, in one transaction."""


def download_and_store_artifacts(
    library: Library,
    workflow_id: str,
    *,
    server: str,
    prompt_id: str,
    by: str,
    include_temp: bool = False,
) -> list[Artifact]:
    """Download every output of a prompt that has ended, and record what is not recorded yet.

    Files of ComfyUI's output folder come first, then texts, then files that lay in its input folder; the first of all
    becomes current where the workflow has no artifact yet. A preview copy of what SaveToArtifactDB kept in another
    hub is such an output too. What it kept for this one is recorded already, or missing as long as the ComfyUI that
    made it could not hand it in.

    Args:
        workflow_id: the workflow that the prompt is an attempt of; a prompt that no attempt holds becomes one.
        server: a configured server's name.
        include_temp: previews as well, which ComfyUI keeps in its temp folder until it starts again.
    Returns:
        The artifacts of the prompt, those that were recorded before included, without those in the trash.
    Raises:
        NotFound: the workflow is not there. UnknownServer. Invalid: a value is wrong.
        Conflict: another workflow holds the prompt; it is queued or executing; or the server does not know it, which
            makes an attempt that was executing `outcome_unknown`.
        Incomplete: some outputs could not be had, after several tries; `data["missing"]` names them, and so do the
            attempt and the workflow, which have failed. The others are recorded. With `data["lasting"]` the next call
            would not bring them either.
        ServerFailed: the server tells nothing of the prompt; nothing was changed.
        StoreFailed: the disk took not all of it; what it took is recorded.
        Unavailable, TooNew: the database is away; nothing is left behind.
    """
    target = library.config.server(names.checked_text(server, "server"))
    prompt_id = names.checked_text(prompt_id, "prompt_id")
    with library.collections.alone(target.name, prompt_id):
        _refuse_while_records_wait(library)
        held = _attempt(library, workflow_id, target, prompt_id)
        history = _history(library, target, prompt_id, by)
        attempt_id = held["id"] if held else _begin(library, workflow_id, target, prompt_id, by)
        where = Where(workflow_id, attempt_id, target, prompt_id)
        collect(_Own(library, by), where, history, include_temp=include_temp)
        return _of_execution(library, attempt_id, history)


def collect_attempt(library: Library, attempt: Attempt, history: History, *, by: str, patient: bool) -> None:
    """The same of an attempt, with what its server was just heard to say of its prompt, for an engine.

    Args:
        patient: the caller collects again: an attempt of which some outputs may come yet is left executing.
    """
    target = library.config.server(attempt.server_address)
    with library.collections.alone(target.name, attempt.prompt_id):
        _refuse_while_records_wait(library)
        where = Where(attempt.workflow_id, attempt.id, target, attempt.prompt_id)
        collect(_Own(library, by), where, history, patient=patient)


@dataclass(frozen=True)
class Where:
    """An attempt, and the server that has run its prompt."""

    workflow_id: str
    attempt_id: str
    server: Server
    prompt_id: str


def collect(
    receiver: Receiver, where: Where, history: History, *, include_temp: bool = False, patient: bool = False
) -> None:
    """As `download_and_store_artifacts`, of an attempt that is there, for whoever records it."""
    known = receiver.recorded_outputs(where.attempt_id)
    wanted = [output for output in _in_order(history.outputs, include_temp) if output.output_key not in known]
    wanted, late = _handed_in_late(receiver, wanted, history)
    went_in = _inputs(receiver, where, history, wanted)
    arrived, missing = fetching.fetch(receiver, where.server, wanted, history.graph)
    missing += late
    receiver.record(where.workflow_id, arrived, _ending(where.attempt_id, history, missing, went_in, patient))
    if missing:
        raise _incomplete(where.server, missing, len(arrived))


class _Own:
    """A library, as who records what is collected."""

    def __init__(self, library: Library, by: str) -> None:
        self._library = library
        self._by = by
        self.config, self.connections, self.store = library.config, library.connections, library.store

    def store_id(self) -> str:
        return stores.id_of(self._library)

    def recorded_outputs(self, attempt_id: str) -> Collection[str]:
        with self._library.reading():
            return runs.recorded_outputs(attempt_id)

    def delivered_names(self, *, server: str, prompt_id: str) -> Collection[str]:
        return inputs.delivered_names(self._library, server=server, prompt_id=prompt_id)

    def is_size_of_any(self, size: int) -> bool:
        return inputs.is_size_of_any(self._library, size)

    def recognised(self, hashes: Sequence[str], *, server: str, prompt_id: str) -> inputs.Inputs:
        return inputs.recognised(self._library, hashes, server=server, prompt_id=prompt_id)

    def record(self, workflow_id: str, arrived: Sequence[Arrived], ending: attempts.Ending) -> None:
        if arrived:
            outputs = [(one.as_artifact(), one.placement) for one in arrived]
            recording.record(self._library, outputs, actor=self._by, workflow_id=workflow_id, ending=ending)
            return
        with self._library.writing(self._by) as tx:
            attempts.end(tx, ending)


def _refuse_while_records_wait(library: Library) -> None:
    if len(library.deferred):
        raise Unavailable("records of this hub still wait for the database; collect when they are done")


def _attempt(library: Library, workflow_id: str, server: Server, prompt_id: str) -> dict[str, Any] | None:
    """The workflow's attempt that holds this prompt; None when nobody holds it."""
    table = models.Attempt
    with library.reading():
        workflow_id = workflows.row_of(workflow_id)["id"]
        query = table.select(table, models.Workflow.chain_deleted_at).join(models.Workflow)
        held = all_rows(query.where(table.prompt_id == prompt_id).order_by(table.number.desc()))
    labels = (server.name, server.url)
    own = [row for row in held if row["workflow_id"] == workflow_id]
    for row in own:
        if row["server_address"] in ("", *labels):
            return row
    if own:
        raise Conflict(
            f"this workflow's prompt {prompt_id} ran on {own[0]['server_address']!r}, not on {server.name!r}"
        )
    for row in held:
        if row["server_address"] in labels:
            if row["chain_deleted_at"] is not None:
                raise Conflict("a workflow in the trash holds this prompt; take its chain out, and collect it there")
            raise Conflict(
                f"workflow {row['workflow_id']} holds this prompt; collect it there", workflow_id=row["workflow_id"]
            )
    return None


def _history(library: Library, server: Server, prompt_id: str, by: str) -> History:
    with fetching.client(library, server) as comfyui:
        found = fetching.again(lambda: comfyui.history(prompt_id))
        state = None if found else fetching.again(lambda: comfyui.place_in_queue(prompt_id))
        if found is None and state is None:
            # It may have ended between the two questions.
            found = fetching.again(lambda: comfyui.history(prompt_id))
    if found is not None:
        return found
    if state is not None:
        raise Conflict(f"prompt {prompt_id} is {state} on {server.name!r}; collect it when it has ended", state=state)
    message = f"{server.name!r} does not know prompt {prompt_id}: it never came there, or its history was cleared"
    _mark_unknown(library, server, prompt_id, message, by)
    raise Conflict(message, state="unknown")


def _mark_unknown(library: Library, server: Server, prompt_id: str, message: str, by: str) -> None:
    table = models.Attempt
    lost = (table.prompt_id == prompt_id) & (table.server_address.in_((server.name, server.url)))
    with library.reading():
        executing = all_rows(table.select(table.id).where(lost & (table.status == "executing")))
    if not executing:
        return
    with library.writing(by) as tx:
        for row in executing:
            attempts.end(tx, attempts.Ending(row["id"], "outcome_unknown", message))


def _begin(library: Library, workflow_id: str, server: Server, prompt_id: str, by: str) -> str:
    """A new attempt of the workflow, which is executing until its outputs are recorded."""
    workflows.update_workflow(
        library, workflow_id, actor=by, server=server.name, prompt_id=prompt_id, status="executing"
    )
    begun = _attempt(library, workflow_id, server, prompt_id)
    if begun is None:
        raise Conflict("the workflow was given another prompt at this moment; collect again")
    return str(begun["id"])


def _in_order(outputs: tuple[Reported, ...], include_temp: bool) -> list[Reported]:
    """What is to be collected; the first of it is what the workflow offers."""

    def rank(output: Reported) -> int:
        if output.text is not None:
            return 1
        if output.kept_as is not None:
            return 0
        return {"input": 2, "temp": 3}.get(output.folder_type, 0)

    wanted = [output for output in outputs if output.text != "" and (include_temp or rank(output) < 3)]
    return sorted(wanted, key=rank)


def _handed_in_late(
    receiver: Receiver, wanted: list[Reported], history: History
) -> tuple[list[Reported], list[Missing]]:
    """What is to be fetched, and what nodes have kept for this very store that are still about to hand it in.

    A cached node hands in nothing: what it kept belongs to the prompt before, and its copy to this one.
    """
    kept = [one for one in wanted if one.kept_in is not None and one.node_id not in history.cached]
    here = receiver.store_id() if kept else None
    late = {one.output_key for one in kept if one.kept_in == here}
    why = "the node has kept it, and hands it in as soon as its ComfyUI reaches this hub"
    return (
        [one for one in wanted if one.output_key not in late],
        [Missing(one, Unavailable(why)) for one in wanted if one.output_key in late],
    )


def _inputs(receiver: Receiver, where: Where, history: History, wanted: list[Reported]) -> inputs.Inputs:
    """What went into these outputs."""
    made_by = dict.fromkeys(output.node_id for output in wanted)
    if not made_by or history.graph is None:
        return {}
    with fetching.client(receiver, where.server) as comfyui:
        most = receiver.config.max_upload
        return inputs.of_server(receiver, comfyui, history.graph, made_by, where.prompt_id, most=most)


def _ending(
    attempt_id: str, history: History, missing: list[Missing], went_in: inputs.Inputs, patient: bool
) -> attempts.Ending:
    status, error = arrivals.ending(history, missing, unsaid="the server does not say how it ended")
    if patient and history.ending == "success" and _may_come(missing):
        status = "executing"
    return attempts.Ending(
        *(attempt_id, status, error),
        workflow_definition=history.graph,
        extra_pnginfo=history.extra_pnginfo,
        client_id=history.client_id,
        inputs=went_in,
    )


def _of_execution(library: Library, attempt_id: str, history: History) -> list[Artifact]:
    with library.reading():
        workflows.row_of(attempts.row_of(attempt_id)["workflow_id"])  # It may be in the trash by now.
        recorded = runs.recorded_outputs(attempt_id)
        wanted = [output.output_key for output in _in_order(history.outputs, include_temp=True)]
        rows = [recorded[key] for key in wanted if key in recorded]
        return artifacts.views(
            library, [row for row in rows if row["deleted_at"] is None and row["chain_deleted_at"] is None]
        )


def _incomplete(server: Server, missing: list[Missing], arrived: int) -> ArtifactDBError:
    kept = f"; {arrived} arrived and {'is' if arrived == 1 else 'are'} recorded" if arrived else ""
    message = f"{named(missing)}{kept}. Collect again to try once more"
    if isinstance(missing[0].error, StoreFailed):
        return StoreFailed(message)
    listed = [
        {
            "output_key": one.output.output_key,
            "filename": one.output.filename,
            "subfolder": one.output.subfolder,
            "type": one.output.folder_type,
            "reason": str(one.error),
        }
        for one in missing
    ]
    return Incomplete(message, server=server.name, missing=listed, lasting=not _may_come(missing))


def _may_come(missing: list[Missing]) -> bool:
    return any(fetching.may_pass(one.error) for one in missing)
