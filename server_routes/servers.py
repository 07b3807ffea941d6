"""The route of the configured servers, with how each is."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from aiohttp import web

from ..answers import fields
from ..comfyui_client import health
from ..comfyui_client.health import Health
from . import asking, rendering

if TYPE_CHECKING:
    from .hub import Hub

FRESH = 2.0
"""Seconds for which what was found holds: however many ask, servers are asked no more often."""


class Checkups:
    """Asks the servers how they are, once for all who want to know at the same time."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._asked: asyncio.Future[dict[str, Health]] | None = None
        self._at = 0.0

    async def look(self) -> dict[str, Health]:
        """How each server is, by its name."""
        asked = self._asked
        if asked is None or (asked.done() and time.monotonic() - self._at > FRESH):
            self._at = time.monotonic()
            asked = self._asked = asyncio.ensure_future(self._hub.off_loop(self._ask))
        return await asyncio.shield(asked)

    def _ask(self) -> dict[str, Health]:
        return {found.name: found for found in health.look(self._hub.config.servers.values())}


async def list_servers(hub: Hub, request: web.Request) -> web.Response:
    ask = fields.page(asking.query(request, fields.QUERIES["list_servers"]))
    config = await hub.off_loop(lambda: hub.config)
    found = await hub.checkups.look()
    names = sorted(name for name in config.servers if name > (ask.cursor or ""))
    items = [{"url": config.servers[name].url, **asdict(found[name])} for name in names[: ask.limit]]
    return rendering.answer({"items": items, "next_cursor": items[-1]["name"] if len(names) > ask.limit else None})
