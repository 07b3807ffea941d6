"""The routes of artifacts: finding them, deciding on them, the trash, tags, versions and lineage."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from ..answers import fields
from ..answers import rendering as told
from ..library import artifacts, decisions, lineage, loads, tags, trash
from ..library.views import Artifact
from . import asking, rendering
from .hub import Hub


def answer(hub: Hub, artifact: Artifact, *, status: int = 200) -> web.Response:
    """One artifact, with its revision as ETag."""
    location = f"/artifacts/{artifact.id}" if status == 201 else None
    body = rendering.artifact(hub, artifact)
    return rendering.answer(body, status=status, revision=artifact.revision, location=location)


async def list_artifacts(hub: Hub, request: web.Request) -> web.Response:
    asked = asking.query(request, fields.QUERIES["list_artifacts"])
    ask = fields.page(asked)
    page = await hub.run(artifacts.list_artifacts, ask, **asked)
    return rendering.page([rendering.artifact(hub, artifact) for artifact in page.items], page)


async def find_output(hub: Hub, request: web.Request) -> web.Response:
    asked = asking.query(request, fields.QUERIES["find_output"])
    look = loads.take if asked.pop("usable", False) else loads.find
    last_approved = asked.pop("last_approved", False)
    return answer(hub, await hub.run(look, loads.Wanted(**asked), last_approved=last_approved))


async def get_artifact(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    asking.query(request)
    return answer(hub, await hub.run(artifacts.get_artifact, artifact_id))


async def made(hub: Hub, request: web.Request, artifact_id: str) -> web.Response:
    """A new artifact, as it is now."""
    return answer(hub, await hub.run(artifacts.get_artifact, artifact_id))


async def show(hub: Hub, request: web.Request, _: str) -> web.Response:
    """The artifact that is named in the path, as it is now."""
    return await made(hub, request, asking.path_id(request, "artifact"))


async def request_review(hub: Hub, request: web.Request) -> web.Response:
    await asking.body(request, fields.BODIES["request_review"])
    return await _decide(hub, request, decisions.ask_again, by=asking.actor(request))


async def approve_artifact(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["approve_artifact"])
    who = asking.decider(request, values)
    return await _decide(hub, request, decisions.approve, **who, sha256=values.get("sha256"))


async def reject_artifact(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["reject_artifact"])
    who = asking.decider(request, values)
    again = values.get("parameters")
    return await _decide(hub, request, decisions.reject, **who, reason=values["reason"], again=again)


async def select_artifact(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["select_artifact"])
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
    asked = asking.query(request, fields.QUERIES["list_tags"])
    ask = fields.page(asked)
    page = await hub.run(tags.list_tags, ask, **asked)
    return rendering.page(told.tag_counts(page.items), page)


async def change_tags(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["change_tags"])
    changed = await hub.run(tags.change_tags, by=asking.actor(request), **values)
    return rendering.answer(told.tags_changed(changed))


async def show_tags(hub: Hub, request: web.Request, _: str) -> web.Response:
    """What the tags are now."""
    values = await asking.body(request, fields.BODIES["change_tags"])
    return rendering.answer(told.tags_changed(await hub.run(tags.get_tags, values["ids"])))


async def get_queue(hub: Hub, request: web.Request) -> web.Response:
    asking.query(request)
    waiting, more = await hub.run(artifacts.count_queue)
    return rendering.answer({"waiting": waiting, "more": more})


async def list_artifact_versions(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    ask = fields.page(asking.query(request, fields.QUERIES["list_artifact_versions"]))
    page = await hub.run(artifacts.list_versions, artifact_id, ask)
    return rendering.page([rendering.artifact(hub, artifact) for artifact in page.items], page)


async def get_artifact_lineage(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    asked = asking.query(request, fields.QUERIES["get_artifact_lineage"])
    found = await hub.run(lineage.get_lineage, artifact_id, **asked)
    return rendering.answer(told.lineage(hub.library, found))


async def _decide(hub: Hub, request: web.Request, decision: Callable[..., Artifact], **values: Any) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    return answer(hub, await hub.run(decision, artifact_id, revision=asking.revision(request), **values))
