"""The routes of chains."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from aiohttp import web

from ..chains import checking, control, rerunning, starting
from ..chains.files import Tree
from ..errors import Invalid
from ..library import chains, driving, executing, overviews, workflows
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
    return {**rendering.plain(chain, without=("chain_definition",)), "overview": None}


async def list_chains(hub: Hub, request: web.Request) -> web.Response:
    query = asking.Query(request, "status", "name", "failed", "trash", "ids", "overview", *asking.PAGE)
    page = await hub.run(
        chains.list_chains,
        query.page(),
        status=query.text("status"),
        name=query.text("name"),
        failed=query.flag("failed"),
        trash=query.flag("trash"),
        ids=query.identities("ids"),
    )
    items = [chain_summary(chain) for chain in page.items]
    if query.flag("overview"):
        found = await hub.run(overviews.get_overviews, [chain.id for chain in page.items])
        items = [{**item, "overview": asdict(found[item["id"]])} for item in items]
    return rendering.page(items, page)


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
            "engine": asking.name,
            "parameters": checked_object,
            **_TEMPORAL,
        },
    )
    engine, parameters = values.pop("engine", "local"), values.pop("parameters", {})
    if values.pop("run", False):
        return await _run(hub, request, engine, parameters, **values)
    chain, made = await hub.run(chains.create_chain, actor=asking.actor(request), **values)
    return _made(chain, new=made)


async def _run(
    hub: Hub,
    request: web.Request,
    engine: str,
    parameters: dict[str, Any],
    *,
    name: str,
    id: str | None = None,
    chain_definition: dict[str, Any] | None = None,
    description: str | None = None,
    **others: Any,
) -> web.Response:
    """Check a definition as a whole, and hand the chain to this hub's engine."""
    for column in others:
        raise Invalid(f"{column} is what the engine says of a chain that it runs; leave it out", field=column)
    if engine != "local":
        raise not_built(f"the engine {engine!r}")
    if chain_definition is None:
        raise Invalid("a chain that is to run has a chain_definition", field="chain_definition")
    described = {} if description is None else {"description": description}
    tree = Tree({**chain_definition, "name": name, **described})
    definition = await hub.off_loop(lambda: checking.check(tree, servers=hub.config.servers))
    before = await hub.run(chains.find_chain, id) if id is not None else None
    chain = await hub.run(starting.start, definition, parameters=parameters, actor=asking.actor(request), id=id)
    return _made(chain, new=before is None)


def _made(chain: Chain, *, new: bool) -> web.Response:
    return rendering.answer(
        rendering.plain(chain),
        status=201 if new else 200,
        revision=chain.revision,
        location=f"/chains/{chain.id}" if new else None,
    )


async def cancel_chain(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    chain = await asyncio.shield(
        hub.begin(control.cancel, chain_id, actor=asking.actor(request), revision=asking.revision(request))
    )
    return rendering.answer(rendering.plain(chain), revision=chain.revision)


async def resume_chain(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    await hub.run(executing.resume, chain_id, by=asking.actor(request), revision=asking.revision(request))
    chain = await hub.run(chains.get_chain, chain_id)
    return rendering.answer(rendering.plain(chain), status=202, revision=chain.revision)


async def rerun_chain(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, {}, {"id": asking.name, "from_step": asking.name, "parameters": checked_object})
    chosen = values.get("id")
    before = await hub.run(chains.find_chain, chosen) if chosen is not None else None
    chain = await hub.run(
        rerunning.rerun,
        asking.path_id(request, "chain"),
        from_step=values.get("from_step"),
        parameters=values.get("parameters", {}),
        actor=asking.actor(request),
        id=chosen,
    )
    return _made(chain, new=before is None)


async def get_chain(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    asking.Query(request)
    chain = await hub.run(chains.get_chain, chain_id)
    steps = await hub.run(workflows.get_workflows_by_chain, chain_id)
    drive = await hub.run(driving.get_drive, chain_id)
    undelivered = await hub.run(overviews.get_undelivered, chain_id)
    return rendering.answer(
        {
            **rendering.plain(chain),
            "workflows": [workflow_summary(step) for step in steps],
            "drive": None if drive is None else rendering.plain(drive, without=("chain_id",)),
            "undelivered": [rendering.plain(transfer) for transfer in undelivered],
        },
        revision=chain.revision,
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
