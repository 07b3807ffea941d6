"""The routes of chains."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from ..answers import details, fields
from ..chains import control, rerunning, starting
from ..db.statuses import UNDER_WAY
from ..errors import Invalid
from ..library import chains, driving, executing, workflows
from ..library.views import Chain
from . import asking, rendering
from .hub import Hub


async def list_chains(hub: Hub, request: web.Request) -> web.Response:
    asked = asking.query(request, fields.QUERIES["list_chains"])
    ask, overview = fields.page(asked), asked.pop("overview", False)
    page = await hub.run(chains.list_chains, ask, **asked)
    items = await hub.run(details.chain_summaries, page, overview=overview)
    return rendering.page(items, page)


async def create_chain(hub: Hub, request: web.Request, made: str | None = None) -> web.Response:
    """`made`: the chain that this very request made before; one that is to run goes to its engine, if it did not."""
    values = await asking.body(request, fields.BODIES["create_chain"])
    engine, parameters = driving.checked_engine(values.pop("engine", "local")), values.pop("parameters", {})
    runs = values.pop("run", False)
    if made is not None:
        if not runs or await _is_begun(hub, made):
            return await _as_it_is(hub, made)
        values["id"] = made
    if runs:
        return await _run(hub, request, engine, parameters, **values)
    chain, new = await hub.run(chains.create_chain, actor=asking.actor(request), **values)
    return _made(chain, new=new)


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
    """Hand a chain to an engine: this hub's own, or the workers of a Temporal server."""
    for column in others:
        raise Invalid(f"{column} is what the engine says of a chain that it runs; leave it out", field=column)
    before = await hub.run(chains.find_chain, id) if id is not None else None
    chain = await hub.run(
        starting.start_inline,
        chain_definition,
        name=name,
        description=description,
        parameters=parameters,
        actor=asking.actor(request),
        id=id,
        engine=engine,
    )
    return _made(chain, new=before is None)


def _made(chain: Chain, *, new: bool) -> web.Response:
    return rendering.answer(
        rendering.plain(chain),
        status=201 if new else 200,
        revision=chain.revision,
        location=f"/chains/{chain.id}" if new else None,
    )


async def _is_begun(hub: Hub, chain_id: str) -> bool:
    return await hub.run(driving.get_drive, chain_id) is not None


async def _as_it_is(hub: Hub, chain_id: str, *, status: int = 200) -> web.Response:
    chain = await hub.run(chains.get_chain, chain_id)
    return rendering.answer(rendering.plain(chain), status=status, revision=chain.revision)


async def cancel_chain(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    chain = await asyncio.shield(
        hub.begin(control.cancel, chain_id, actor=asking.actor(request), revision=asking.revision(request))
    )
    return rendering.answer(rendering.plain(chain), revision=chain.revision)


async def resume_chain(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    await hub.run(executing.resume, chain_id, by=asking.actor(request), revision=asking.revision(request))
    return await resumed(hub, request, chain_id)


async def resumed(hub: Hub, request: web.Request, _: str) -> web.Response:
    """The chain that goes on, as it is now."""
    return await _as_it_is(hub, asking.path_id(request, "chain"), status=202)


async def rerun_chain(hub: Hub, request: web.Request, made: str | None = None) -> web.Response:
    """`made`: the chain that this very request made before; it takes over what it did not, and goes to its engine."""
    values = await asking.body(request, fields.BODIES["rerun_chain"])
    if made is not None and await _is_begun(hub, made):
        return await _as_it_is(hub, made)
    chosen = made or values.get("id")
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
    asking.query(request)
    chain, body = await hub.run(details.chain, chain_id)
    running = {one["id"] for one in body["workflows"] if one["status"] in UNDER_WAY}
    progress = [one for one in hub.heard(chain_id) if one["workflow_id"] in running]
    return rendering.answer({**body, "progress": progress}, revision=chain.revision)


async def update_chain(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["update_chain"])
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


async def show(hub: Hub, request: web.Request, _: str) -> web.Response:
    """The chain that is named in the path, as it is now."""
    return await _as_it_is(hub, asking.path_id(request, "chain"))


async def list_chain_workflows(hub: Hub, request: web.Request) -> web.Response:
    chain_id = asking.path_id(request, "chain")
    ask = fields.page(asking.query(request, fields.PAGE))
    await hub.run(chains.get_chain, chain_id)
    page = await hub.run(workflows.list_workflows, ask, chain_id=chain_id)
    return rendering.page([rendering.workflow_summary(workflow) for workflow in page.items], page)
