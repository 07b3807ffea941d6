"""Mounts the routes into a server put together as ComfyUI 0.3.75 puts its own together: middlewares, /api twins.

The real ComfyUI has tests of its own; this stands for its flags, which would each need a start of it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiohttp import web
from comfyui_artifact_db.library.opening import SharedLibrary
from comfyui_artifact_db.server_routes.mounting import mount

LARGEST_UPLOAD = 100 * 1024 * 1024
"""Bytes; ComfyUI's default for --max-upload-size."""


@web.middleware
async def enable_cors_header(request: web.Request, handler: Any) -> web.StreamResponse:
    """What `--enable-cors-header` puts in the place of ComfyUI's own check of the Origin."""
    response: web.StreamResponse = web.Response() if request.method == "OPTIONS" else await handler(request)
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Allow-Methods"] = "POST, GET, DELETE, PUT, OPTIONS"
    response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
    response.headers["Access-Control-Allow-Credentials"] = "true"
    return response


@web.middleware
async def disable_api_nodes(request: web.Request, handler: Any) -> web.StreamResponse:
    """What `--disable-api-nodes` does to every answer."""
    response: web.StreamResponse = await handler(request)
    response.headers["Content-Security-Policy"] = "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'"
    return response


def like_comfyui(shared: SharedLibrary, version: str) -> web.Application:
    """An application with the routes at /artifact-db and at /api/artifact-db."""
    app = web.Application(client_max_size=LARGEST_UPLOAD, middlewares=[enable_cors_header, disable_api_nodes])
    server = SimpleNamespace(app=app, routes=web.RouteTableDef())
    hub = mount(server, shared, version)
    twins = web.RouteTableDef()
    for route in server.routes:
        assert isinstance(route, web.RouteDef)
        twins.route(route.method, "/api" + route.path)(route.handler, **route.kwargs)
    app.add_routes(twins)
    app.add_routes(server.routes)

    async def close(_: web.Application) -> None:
        hub.close()
        shared.close()

    app.on_cleanup.append(close)
    return app
