"""The routes of workflows, and of the artifacts that each of them has."""

from __future__ import annotations

from aiohttp import web

from ..answers import details, fields
from ..library import artifacts, executing, workflows
from . import asking, rendering
from .hub import Hub


async def list_workflows(hub: Hub, request: web.Request) -> web.Response:
    asked = asking.query(request, fields.QUERIES["list_workflows"])
    ask, chain_id, step_id = fields.page(asked), asked.pop("chain", None), asked.pop("step", None)
    page = await hub.run(workflows.list_workflows, ask, chain_id=chain_id, step_id=step_id, **asked)
    return rendering.page([rendering.workflow_summary(workflow) for workflow in page.items], page)


async def create_workflow(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["create_workflow"])
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
    asking.query(request)
    workflow, body = await hub.run(details.workflow, workflow_id)
    return rendering.answer(body, revision=workflow.revision)


async def update_workflow(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["update_workflow"])
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
    asked = asking.query(request, fields.QUERIES["list_workflow_artifacts"])
    ask = fields.page(asked)
    page = await hub.run(artifacts.list_workflow_artifacts, workflow_id, ask, **asked)
    return rendering.page([rendering.artifact(hub, artifact) for artifact in page.items], page)


async def get_latest_artifact(hub: Hub, request: web.Request) -> web.Response:
    workflow_id = asking.path_id(request, "workflow")
    asked = asking.query(request, fields.QUERIES["get_latest_artifact"])
    artifact = await hub.run(details.latest, workflow_id, **asked)
    return rendering.answer(rendering.artifact(hub, artifact), revision=artifact.revision)


async def retry_workflow(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["retry_workflow"])
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
