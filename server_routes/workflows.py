"""The routes of workflows, and of the artifacts that each of them has."""

from __future__ import annotations

from aiohttp import web

from ..answers import details
from ..library import artifacts, executing, workflows
from ..library.names import checked_object
from . import asking, rendering
from .hub import Hub

_COLUMNS = {
    "server": asking.name,
    "server_address": asking.text,
    "status": asking.name,
    "requires_approval": asking.flag,
    "workflow_definition": asking.nullable(checked_object),
    "parameters": asking.nullable(checked_object),
    "temporal_workflow_id": asking.nullable(asking.temporal_id),
    "temporal_run_id": asking.nullable(asking.temporal_id),
}


async def list_workflows(hub: Hub, request: web.Request) -> web.Response:
    query = asking.Query(request, "chain", "step", "status", "prompt_id", "standalone", *asking.PAGE)
    page = await hub.run(
        workflows.list_workflows,
        query.page(),
        chain_id=query.identity("chain"),
        step_id=query.text("step"),
        status=query.text("status"),
        prompt_id=query.text("prompt_id"),
        standalone=query.flag("standalone"),
    )
    return rendering.page([rendering.workflow_summary(workflow) for workflow in page.items], page)


async def create_workflow(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(
        request,
        {"workflow_name": asking.name},
        {
            "id": asking.name,
            "chain_id": asking.nullable(asking.name),
            "step_id": asking.nullable(asking.name),
            "prompt_id": asking.text,
            **_COLUMNS,
        },
    )
    workflow, new = await hub.run(workflows.create_workflow, actor=asking.actor(request), **values)
    return rendering.answer(
        rendering.plain(workflow),
        status=201 if new else 200,
        revision=workflow.revision,
        location=f"/workflows/{workflow.id}" if new else None,
    )


async def made(hub: Hub, request: web.Request, workflow_id: str) -> web.Response:
    """A new workflow, as it is now."""
    workflow = await hub.run(workflows.get_workflow, workflow_id)
    return rendering.answer(rendering.plain(workflow), revision=workflow.revision)


async def get_workflow(hub: Hub, request: web.Request) -> web.Response:
    workflow_id = asking.path_id(request, "workflow")
    asking.Query(request)
    workflow, body = await hub.run(details.workflow, workflow_id)
    return rendering.answer(body, revision=workflow.revision)


async def update_workflow(hub: Hub, request: web.Request) -> web.Response:
    optional = {"prompt_id": asking.name, "error_message": asking.nullable(asking.message), **_COLUMNS}
    values = asking.require_some(await asking.body(request, {}, optional))
    workflow = await hub.run(
        workflows.update_workflow,
        asking.path_id(request, "workflow"),
        actor=asking.actor(request),
        revision=asking.revision(request),
        **values,
    )
    return rendering.answer(rendering.plain(workflow), revision=workflow.revision)


async def list_workflow_artifacts(hub: Hub, request: web.Request) -> web.Response:
    workflow_id = asking.path_id(request, "workflow")
    query = asking.Query(request, "heads", *asking.PAGE)
    page = await hub.run(artifacts.list_workflow_artifacts, workflow_id, query.page(), heads=query.flag("heads"))
    return rendering.page([rendering.artifact(hub, artifact) for artifact in page.items], page)


async def get_latest_artifact(hub: Hub, request: web.Request) -> web.Response:
    workflow_id = asking.path_id(request, "workflow")
    query = asking.Query(request, "usable", "at")
    artifact = await hub.run(details.latest, workflow_id, usable=query.flag("usable"), at=query.text("at"))
    return rendering.answer(rendering.artifact(hub, artifact), revision=artifact.revision)


async def retry_workflow(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, {}, {"parameters": checked_object})
    workflow = await hub.run(
        executing.retry,
        asking.path_id(request, "workflow"),
        parameters=values.get("parameters"),
        by=asking.actor(request),
        revision=asking.revision(request),
    )
    return rendering.answer(rendering.plain(workflow), status=202, revision=workflow.revision)


async def retried(hub: Hub, request: web.Request, _: str) -> web.Response:
    """The workflow that runs again, as it is now."""
    workflow = await hub.run(workflows.get_workflow, asking.path_id(request, "workflow"))
    return rendering.answer(rendering.plain(workflow), status=202, revision=workflow.revision)
