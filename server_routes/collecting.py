"""The route of collecting. A collection goes on when the one who asked for it has gone."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..answers import fields
from ..library import collecting
from . import asking, rendering
from .hub import Hub


async def collect_outputs(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.BODIES["collect_outputs"])
    workflow_id = asking.path_id(request, "workflow")
    work = hub.begin(collecting.download_and_store_artifacts, workflow_id, by=asking.actor(request), **values)
    work.add_done_callback(lambda future: future.exception())  # asked for, or it would be logged as forgotten
    await asyncio.wait([work])
    return rendering.answer({"items": [rendering.artifact(hub, one) for one in work.result()], "next_cursor": None})
