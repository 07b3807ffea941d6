"""The route that tells which names are in use."""

from __future__ import annotations

from aiohttp import web

from ..library import suggestions
from . import asking, rendering
from .hub import Hub
from .problems import malformed


async def list_names(hub: Hub, request: web.Request) -> web.Response:
    query = asking.Query(request, "kind", "q", "chain", *asking.PAGE)
    kind = query.text("kind")
    if kind is None:
        raise malformed("kind is required")
    wanted = {"kind": kind, "q": query.text("q") or "", "chain": query.text("chain") or ""}
    page = await hub.run(suggestions.list_names, query.page(), **wanted)
    return rendering.page(page.items, page)
