"""The route that tells which names are in use."""

from __future__ import annotations

from aiohttp import web

from ..answers import fields
from ..library import suggestions
from . import asking, rendering
from .hub import Hub
from .problems import malformed


async def list_names(hub: Hub, request: web.Request) -> web.Response:
    asked = asking.query(request, {**dict.fromkeys(("kind", "q", "chain"), fields.as_it_is), **fields.PAGE})
    if "kind" not in asked:
        raise malformed("kind is required")
    ask = fields.page(asked)
    page = await hub.run(suggestions.list_names, ask, **asked)
    return rendering.page(page.items, page)
