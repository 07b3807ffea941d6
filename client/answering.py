"""Owns what the library answers to each operation: one call of it, in the contract's words. Rules are the library's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import Any

from ..answers import details, fields, rendering
from ..chains import control, rerunning, starting
from ..comfyui_client import health
from ..errors import Invalid
from ..library import (
    artifacts,
    chains,
    collecting,
    decisions,
    driving,
    edits,
    events,
    executing,
    handovers,
    lineage,
    loads,
    names,
    pages,
    switches,
    tags,
    transfers,
    trash,
    uploads,
    workflows,
)
from ..library.opening import Library
from ..library.views import Artifact as View
from ..media import kinds
from ..storage.files import Part
from .asking import Call


class Asked:
    """One call, as the functions below need it, and as a hub reads it.

    Raises:
        Malformed, Invalid: a hub would refuse it.
    """

    def __init__(self, library: Library, actor: str, call: Call) -> None:
        self.library = library
        self.actor = actor
        self.call = call
        self.revision = fields.revision(call.if_match)
        self.query = fields.parameters(call.parameters, fields.QUERIES.get(call.operation, {}))
        if call.files is None:
            self.body = fields.BODIES.get(call.operation, fields.Body()).checked(call.body)
        else:
            self.body = fields.parameters(call.form, fields.FORMS[call.operation])

    def id(self, what: str) -> str:
        return self.call.path[f"{what}_id"]

    def page(self) -> pages.Ask:
        """Which page is asked for; what is left in `query` are the filters."""
        return fields.page(self.query)

    def decider(self) -> dict[str, Any]:
        return {"by": self.body.pop("approved_by", self.actor), "actor": self.actor}

    def told(self, view: View) -> dict[str, Any]:
        return rendering.artifact(self.library, view)

    def listed(self, page: pages.Page[Any], make: Callable[[Any], Any]) -> dict[str, Any]:
        return {"items": [make(one) for one in page.items], "next_cursor": page.next_cursor}

    @contextmanager
    def received(self) -> Iterator[tuple[Part, kinds.Kind, str]]:
        """The file of the call as a part of the store, with its kind and name."""
        assert self.call.files is not None
        ((path, named),) = self.call.files
        filename = names.checked_filename(named)
        with self.library.store.copying(path) as part:
            yield part, kinds.classify(part.beginning(kinds.HEAD_SIZE), filename), filename


def _create_chain(asked: Asked) -> Any:
    driving.checked_engine(asked.body.get("engine", "local"))
    if asked.body.pop("run", False):
        table, parameters = asked.body.pop("chain_definition", None), asked.body.pop("parameters", {})
        for column in set(asked.body) - {"name", "description", "id", "engine"}:
            raise Invalid(f"{column} is what the engine says of a chain that it runs; leave it out", field=column)
        return rendering.plain(
            starting.start_inline(asked.library, table, parameters=parameters, actor=asked.actor, **asked.body)
        )
    for run_only in ("parameters", "engine"):
        asked.body.pop(run_only, None)
    chain, _ = chains.create_chain(asked.library, actor=asked.actor, **asked.body)
    return rendering.plain(chain)


def _list_chains(asked: Asked) -> Any:
    ask, overview = asked.page(), asked.query.pop("overview", False)
    found = chains.list_chains(asked.library, ask, **asked.query)
    items = details.chain_summaries(asked.library, found, overview=overview)
    return {"items": items, "next_cursor": found.next_cursor}


def _change_chain(change: Callable[..., Any], asked: Asked, **more: Any) -> Any:
    changed = change(asked.library, asked.id("chain"), actor=asked.actor, revision=asked.revision, **more)
    return None if changed is None else rendering.plain(changed)


def _resume_chain(asked: Asked) -> Any:
    executing.resume(asked.library, asked.id("chain"), by=asked.actor, revision=asked.revision)
    return rendering.plain(chains.get_chain(asked.library, asked.id("chain")))


def _rerun_chain(asked: Asked) -> Any:
    how = {"from_step": None, "parameters": {}, **asked.body}
    return rendering.plain(rerunning.rerun(asked.library, asked.id("chain"), actor=asked.actor, **how))


def _list_workflows(asked: Asked) -> Any:
    page, chain, step = asked.page(), asked.query.pop("chain", None), asked.query.pop("step", None)
    found = workflows.list_workflows(asked.library, page, chain_id=chain, step_id=step, **asked.query)
    return asked.listed(found, rendering.workflow_summary)


def _create_workflow(asked: Asked) -> Any:
    workflow, _ = workflows.create_workflow(asked.library, actor=asked.actor, **asked.body)
    return rendering.plain(workflow)


def _update_workflow(asked: Asked) -> Any:
    changed = workflows.update_workflow(
        asked.library, asked.id("workflow"), actor=asked.actor, revision=asked.revision, **asked.body
    )
    return rendering.plain(changed)


def _retry_workflow(asked: Asked) -> Any:
    parameters, revision = asked.body.get("parameters"), asked.revision
    again = executing.retry(
        asked.library, asked.id("workflow"), parameters=parameters, by=asked.actor, revision=revision
    )
    return rendering.plain(again)


def _list_workflow_artifacts(asked: Asked) -> Any:
    page = asked.page()
    found = artifacts.list_workflow_artifacts(asked.library, asked.id("workflow"), page, **asked.query)
    return asked.listed(found, asked.told)


def _get_latest_artifact(asked: Asked) -> Any:
    return asked.told(details.latest(asked.library, asked.id("workflow"), **asked.query))


def _collect_outputs(asked: Asked) -> Any:
    collected = collecting.download_and_store_artifacts(
        asked.library, asked.id("workflow"), by=asked.actor, **asked.body
    )
    return {"items": [asked.told(one) for one in collected], "next_cursor": None}


def _upload_artifact(asked: Asked) -> Any:
    with asked.received() as (part, kind, filename):
        found, _ = uploads.upload(
            *(asked.library, asked.id("workflow"), part, kind),
            by=asked.actor,
            filename=filename,
            new_id=asked.body.pop("id", None),
            status=asked.body.pop("approval_status", None),
            **asked.body,
        )
    return asked.told(found)


def _find_output(asked: Asked) -> Any:
    look = loads.take if asked.query.pop("usable", False) else loads.find
    last_approved = asked.query.pop("last_approved", False)
    return asked.told(look(asked.library, loads.Wanted(**asked.query), last_approved=last_approved))


def _record_outputs(asked: Asked) -> Any:
    handover = handovers.checked(asked.library, asked.body["record"])
    with ExitStack() as parts:
        received = []
        for index, (path, named) in enumerate(asked.call.files or ()):
            part = parts.enter_context(asked.library.store.copying(path))
            told = handover.outputs[index].artifact.filename if index < len(handover.outputs) else named
            received.append((part, kinds.classify(part.beginning(kinds.HEAD_SIZE), told)))
        recorded, _ = handovers.record_outputs(asked.library, handover, received, by=asked.actor)
    return {"items": [asked.told(one) for one in recorded], "next_cursor": None}


def _edit_artifact(asked: Asked) -> Any:
    library, artifact_id, who, revision = asked.library, asked.id("artifact"), asked.decider(), asked.revision
    if "from_version" in asked.body:
        return asked.told(edits.restore(library, artifact_id, asked.body["from_version"], **who, revision=revision))
    with asked.received() as (part, kind, filename):
        status = asked.body.pop("approval_status", None)
        more = {"filename": filename, "status": status, "revision": revision, **asked.body}
        return asked.told(edits.edit(library, artifact_id, part, kind, **who, **more))


def _list_artifacts(asked: Asked) -> Any:
    page = asked.page()
    return asked.listed(artifacts.list_artifacts(asked.library, page, **asked.query), asked.told)


def _decide(decision: Callable[..., View], asked: Asked, **values: Any) -> Any:
    return asked.told(decision(asked.library, asked.id("artifact"), revision=asked.revision, **values))


def _request_review(asked: Asked) -> Any:
    return _decide(decisions.ask_again, asked, by=asked.actor)


def _reject_artifact(asked: Asked) -> Any:
    again = asked.body.get("parameters")
    return _decide(decisions.reject, asked, **asked.decider(), reason=asked.body["reason"], again=again)


def _list_artifact_events(asked: Asked) -> Any:
    return details.history(asked.library, asked.id("artifact"), *fields.stretch(asked.query))


def _list_events(asked: Asked) -> Any:
    after, limit = fields.stretch(asked.query)
    return rendering.events(events.list_events(asked.library, after=after, limit=limit + 1), limit)


def _list_tags(asked: Asked) -> Any:
    found = tags.list_tags(asked.library, asked.page(), **asked.query)
    return {"items": rendering.tag_counts(found.items), "next_cursor": found.next_cursor}


def _get_queue(asked: Asked) -> Any:
    waiting, more = artifacts.count_queue(asked.library)
    return {"waiting": waiting, "more": more}


def _transfer_artifact(asked: Asked) -> Any:
    transfer = transfers.create_transfer(asked.library, asked.id("artifact"), by=asked.actor, **asked.body)
    return rendering.plain(transfers.deliver(asked.library, transfer.id, by=asked.actor))


def _retry_transfer(asked: Asked) -> Any:
    transfer = transfers.require_retryable(asked.library, asked.id("transfer"))
    return rendering.plain(transfers.deliver(asked.library, transfer.id, by=asked.actor))


def _list_servers(asked: Asked) -> Any:
    servers = [one for _, one in sorted(asked.library.config.servers.items())]
    found = zip(servers, health.look(servers), strict=True)
    return {"items": [{"url": server.url, **asdict(told)} for server, told in found], "next_cursor": None}


ANSWERS: dict[str, Callable[[Asked], Any]] = {
    "list_chains": _list_chains,
    "create_chain": _create_chain,
    "get_chain": lambda asked: details.chain(asked.library, asked.id("chain"))[1],
    "update_chain": lambda asked: _change_chain(chains.update_chain, asked, **asked.body),
    "delete_chain": lambda asked: _change_chain(chains.delete_chain, asked),
    "undelete_chain": lambda asked: _change_chain(chains.undelete_chain, asked),
    "cancel_chain": lambda asked: _change_chain(control.cancel, asked),
    "resume_chain": _resume_chain,
    "rerun_chain": _rerun_chain,
    "list_workflows": _list_workflows,
    "create_workflow": _create_workflow,
    "get_workflow": lambda asked: details.workflow(asked.library, asked.id("workflow"))[1],
    "update_workflow": _update_workflow,
    "retry_workflow": _retry_workflow,
    "list_workflow_artifacts": _list_workflow_artifacts,
    "upload_artifact": _upload_artifact,
    "get_latest_artifact": _get_latest_artifact,
    "collect_outputs": _collect_outputs,
    "find_output": _find_output,
    "record_outputs": _record_outputs,
    "list_artifacts": _list_artifacts,
    "get_artifact": lambda asked: asked.told(artifacts.get_artifact(asked.library, asked.id("artifact"))),
    "request_review": _request_review,
    "delete_artifact": lambda asked: _decide(trash.delete, asked, by=asked.actor),
    "undelete_artifact": lambda asked: _decide(trash.undelete, asked, by=asked.actor),
    "approve_artifact": lambda asked: _decide(decisions.approve, asked, **asked.decider(), **asked.body),
    "reject_artifact": _reject_artifact,
    "select_artifact": lambda asked: _decide(decisions.select, asked, **asked.decider()),
    "edit_artifact": _edit_artifact,
    "list_artifact_versions": lambda asked: asked.listed(
        artifacts.list_versions(asked.library, asked.id("artifact"), asked.page()), asked.told
    ),
    "get_artifact_lineage": lambda asked: rendering.lineage(
        asked.library, lineage.get_lineage(asked.library, asked.id("artifact"), **asked.query)
    ),
    "list_artifact_events": _list_artifact_events,
    "tag_artifact": lambda asked: _decide(decisions.tag, asked, tag=asked.call.path["tag"], by=asked.actor),
    "untag_artifact": lambda asked: _decide(decisions.untag, asked, tag=asked.call.path["tag"], by=asked.actor),
    "list_tags": _list_tags,
    "change_tags": lambda asked: rendering.tags_changed(tags.change_tags(asked.library, by=asked.actor, **asked.body)),
    "get_queue": _get_queue,
    "transfer_artifact": _transfer_artifact,
    "list_transfers": lambda asked: asked.listed(
        transfers.list_transfers(asked.library, asked.page(), **asked.query), rendering.plain
    ),
    "get_transfer": lambda asked: rendering.plain(transfers.get_transfer(asked.library, asked.id("transfer"))),
    "retry_transfer": _retry_transfer,
    "list_events": _list_events,
    "get_recording": lambda asked: asdict(switches.get_recording(asked.library)),
    "list_servers": _list_servers,
}
