"""The routes of what is switched while the hub runs: whether every prompt of its ComfyUI is recorded."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from ..library import switches
from . import asking, rendering
from .hub import Hub


async def get_recording(hub: Hub, request: web.Request) -> web.Response:
    asking.Query(request)
    return rendering.answer(asdict(await hub.run(switches.get_recording)))


async def switch_recording(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, {"record": asking.text}, {})
    recording = await hub.run(switches.switch_recording, values["record"], by=asking.actor(request))
    return rendering.answer(asdict(recording))
