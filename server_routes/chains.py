"""The routes of chains."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from ..library import chains, workflows
from ..library.names import checked_object
from ..library.views import Chain
from . import asking, rendering
from .hub import Hub
from .problems import not_built
from .workflows import workflow_summary

_TEMPORAL = {
    "temporal_workflow_id": asking.nullable(asking.temporal_id),
    "temporal_run_id": asking.nullable(asking.temporal_id),
}


def chain_summary(chain: Chain) -> dict[str, Any]:
    """A chain as lists show it."""
    return rendering.plain(chain, without=("chain_definition",))


async def list_chains(hub: Hub, request: web.Request) -> web.Response:
    query = asking.Query(request, "status", "name", "failed", "trash", *asking.PAGE)
    page = await hub.run(
        chains.list_chains,
        query.page(),
        status=query.text("status"),
        name=query.text("name"),
        failed=query.flag("failed"),
        trash=query.flag("trash"),
    )
    return rendering.page([chain_summary(chain) for chain in page.items], page)


async def create_chain(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(
        request,
        {"name": asking.name},
        {
            "id": asking.name,
            "description": asking.nullable(asking.text),
            "chain_definition": asking.nullable(checked_object),
            "status": asking.name,
            "current_level": asking.integer,
            "run": asking.flag,
            **_TEMPORAL,
        },
    )
    if values.pop("run", False):
        raise not_built("running a chain")
    chain, made = await hub.run(chains.create_chain, actor=asking.actor(request), **values)
    return rendering.answer(
        rendering.plain(chain),
        status=201 if made else 200,
        revision=chain.revision,
        location=f"/chains/{chain.id}" if made else None,
    )


async def get_chain(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    asking.Query(request)
    chain = await hub.run(chains.get_chain, chain_id)
    steps = await hub.run(workflows.get_workflows_by_chain, chain_id)
    return rendering.answer(
        {**rendering.plain(chain), "workflows": [workflow_summary(step) for step in steps]}, revision=chain.revision
    )


async def update_chain(hub: Hub, request: web.Request) -> web.Response:
    optional = {
        "status": asking.name,
        "current_level": asking.integer,
        "error_message": asking.nullable(asking.message),
        **_TEMPORAL,
    }
    values = asking.require_some(await asking.body(request, {}, optional))
    chain = await hub.run(
        chains.update_chain,
        asking.path_id(request, "chain"),
        actor=asking.actor(request),
        revision=asking.revision(request),
        **values,
    )
    return rendering.answer(rendering.plain(chain), revision=chain.revision)


async def delete_chain(hub: Hub, request: web.Request) -> web.Response:
    await hub.run(
        chains.delete_chain,
        asking.path_id(request, "chain"),
        actor=asking.actor(request),
        revision=asking.revision(request),
    )
    return web.Response(status=204)


async def undelete_chain(hub: Hub, request: web.Request) -> web.Response:
    chain = await hub.run(
        chains.undelete_chain,
        asking.path_id(request, "chain"),
        actor=asking.actor(request),
        revision=asking.revision(request),
    )
    return rendering.answer(rendering.plain(chain), revision=chain.revision)


async def list_chain_workflows(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    query = asking.Query(request, *asking.PAGE)
    await hub.run(chains.get_chain, chain_id)
    page = await hub.run(workflows.list_workflows, query.page(), chain_id=chain_id)
    return rendering.page([workflow_summary(workflow) for workflow in page.items], page)
