"""The routes of what is switched while the hub runs: whether every prompt of its ComfyUI is recorded."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from ..answers import fields
from ..library import switches
from . import asking, rendering
from .hub import Hub


async def get_recording(hub: Hub, request: web.Request) -> web.Response:
    asking.query(request)
    return rendering.answer(asdict(await hub.run(switches.get_recording)))


async def switch_recording(hub: Hub, request: web.Request) -> web.Response:
    values = await asking.body(request, fields.Body({"record": fields.text}))
    recording = await hub.run(switches.switch_recording, values["record"], by=asking.actor(request))
    return rendering.answer(asdict(recording))
