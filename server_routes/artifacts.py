"""The routes of artifacts: finding them, deciding on them, the trash, tags, versions and lineage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..answers import rendering as told
from ..library import artifacts, decisions, lineage, loads, tags, trash
from ..library.names import MAX_REASON, checked_object, checked_text
from ..library.views import Artifact
from . import asking, rendering
from .hub import Hub

_TAGS = {"ids": asking.texts}, {"add": asking.texts, "remove": asking.texts}
_FILTERS = ("q", "kind", "status", "tag", "step", "since", "until")


def answer(hub: Hub, artifact: Artifact, *, status: int = 200) -> web.Response:
    """One artifact, with its revision as ETag."""
    location = f"/artifacts/{artifact.id}" if status == 201 else None
    body = rendering.artifact(hub, artifact)
    return rendering.answer(body, status=status, revision=artifact.revision, location=location)


async def list_artifacts(hub: Hub, request: web.Request) -> web.Response:
    query = asking.Query(
        request,
        *_FILTERS,
        "chain",
        "workflow",
        "latest",
        "queue",
        "trash",
        "min_size",
        "max_size",
        "sort",
        *asking.PAGE,
    )
    page = await hub.run(
        artifacts.list_artifacts,
        query.page(),
        sort=query.text("sort") or "relevance",
        **{name: query.text(name) for name in _FILTERS},
        chain=query.identity("chain"),
        workflow=query.identity("workflow"),
        latest=query.flag("latest"),
        queue=query.flag("queue"),
        trash=query.flag("trash"),
        min_size=query.number("min_size"),
        max_size=query.number("max_size"),
    )
    return rendering.page([rendering.artifact(hub, artifact) for artifact in page.items], page)


async def find_output(hub: Hub, request: web.Request) -> web.Response:
    names = ("artifact_id", "chain", "step", "workflow", "output")
    query = asking.Query(request, *names, "usable", "last_approved")
    wanted = loads.Wanted(**{name: query.text(name) or "" for name in names})
    look = loads.take if query.flag("usable") else loads.find
    found = await hub.run(look, wanted, last_approved=query.flag("last_approved"))
    return answer(hub, found)


async def get_artifact(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    asking.Query(request)
    return answer(hub, await hub.run(artifacts.get_artifact, artifact_id))


async def made(hub: Hub, request: web.Request, artifact_id: str) -> web.Response:
    """A new artifact, as it is now."""
    return answer(hub, await hub.run(artifacts.get_artifact, artifact_id))


async def show(hub: Hub, request: web.Request, _: str) -> web.Response:
    """The artifact that is named in the path, as it is now."""
    return await made(hub, request, asking.path_id(request, "artifact"))


async def request_review(hub: Hub, request: web.Request) -> web.Response:
    await asking.body(request, {"approval_status": decisions.checked_request}, {})
    return await _decide(hub, request, decisions.ask_again, by=asking.actor(request))


async def approve_artifact(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, {}, {"approved_by": asking.name, "sha256": asking.sha256})
    who = asking.decider(request, values)
    return await _decide(hub, request, decisions.approve, **who, sha256=values.get("sha256"))


async def reject_artifact(hub: Hub, request: web.Request) -> web.Response:
    reason = lambda value, field: checked_text(value, field, longest=MAX_REASON)
    optional = {"approved_by": asking.name, "parameters": checked_object}
    values = await asking.body(request, {"reason": reason}, optional)
    who = asking.decider(request, values)
    again = values.get("parameters")
    return await _decide(hub, request, decisions.reject, **who, reason=values["reason"], again=again)


async def select_artifact(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, {}, {"approved_by": asking.name})
    return await _decide(hub, request, decisions.select, **asking.decider(request, values))


async def delete_artifact(hub: Hub, request: web.Request) -> web.Response:
    return await _decide(hub, request, trash.delete, by=asking.actor(request))


async def undelete_artifact(hub: Hub, request: web.Request) -> web.Response:
    return await _decide(hub, request, trash.undelete, by=asking.actor(request))


async def tag_artifact(hub: Hub, request: web.Request) -> web.Response:
    return await _decide(hub, request, decisions.tag, tag=request.match_info["tag"], by=asking.actor(request))


async def untag_artifact(hub: Hub, request: web.Request) -> web.Response:
    return await _decide(hub, request, decisions.untag, tag=request.match_info["tag"], by=asking.actor(request))


async def list_tags(hub: Hub, request: web.Request) -> web.Response:
    query = asking.Query(request, "q", *asking.PAGE)
    page = await hub.run(tags.list_tags, query.page(), q=query.text("q"))
    return rendering.page(told.tag_counts(page.items), page)


async def change_tags(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, *_TAGS)
    changed = await hub.run(tags.change_tags, by=asking.actor(request), **values)
    return rendering.answer(told.tags_changed(changed))


async def show_tags(hub: Hub, request: web.Request, _: str) -> web.Response:
    """What the tags are now."""
    values = await asking.body(request, *_TAGS)
    return rendering.answer(told.tags_changed(await hub.run(tags.get_tags, values["ids"])))


async def get_queue(hub: Hub, request: web.Request) -> web.Response:
    asking.Query(request)
    waiting, more = await hub.run(artifacts.count_queue)
    return rendering.answer({"waiting": waiting, "more": more})


async def list_artifact_versions(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    page = await hub.run(artifacts.list_versions, artifact_id, asking.Query(request, *asking.PAGE).page())
    return rendering.page([rendering.artifact(hub, artifact) for artifact in page.items], page)


async def get_artifact_lineage(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    query = asking.Query(request, "depth", "limit")
    limit = query.number("limit", lineage.MAX_RELATED)
    found = await hub.run(lineage.get_lineage, artifact_id, depth=query.number("depth"), limit=limit)
    return rendering.answer(told.lineage(hub.library, found))


async def _decide(hub: Hub, request: web.Request, decision: Callable[..., Artifact], **values: Any) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    return answer(hub, await hub.run(decision, artifact_id, revision=asking.revision(request), **values))
