"""Owns the hub as a program of its own: the same routes without ComfyUI and without torch."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from ..library.opening import SharedLibrary
from .hub import Hub
from .table import answers


def application(shared: SharedLibrary, version: str, *, drives: bool = True) -> web.Application:
    """An aiohttp application with all routes, which drives chains unless told not to; it closes what it opened."""
    hub = Hub(shared, version, drives=drives)
    app = web.Application()
    app.add_routes([web.route(method, path, answer) for method, path, answer in answers(hub)])

    async def lifetime(_: web.Application) -> AsyncIterator[None]:
        # Nobody waits for it: what is the matter is told by the first request.
        hub.begin(lambda _: hub.open()).add_done_callback(lambda opening: opening.cancelled() or opening.exception())
        yield
        hub.close()
        shared.close()

    async def end_streams(_: web.Application) -> None:
        hub.news.close()

    app.cleanup_ctx.append(lifetime)
    app.on_shutdown.append(end_streams)
    return app
