"""Owns the one place where the routes meet ComfyUI: they are added to its own server, and appear under /api too."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ..config import Server
from ..errors import ArtifactDBError
from ..library.opening import SharedLibrary
from .hub import Hub
from .proxying import Proxy
from .table import Answer, Route, answers, places

logger = logging.getLogger("artifact_db.server_routes")


def mount(prompt_server: Any, shared: SharedLibrary, version: str) -> Hub:
    """Add the routes to ComfyUI's `PromptServer`, and open the library in the background once it runs.

    Where the configuration names a hub, they are the way to it. It is asked at each request, since one that cannot be
    read is read again until it is right.

    Returns:
        The hub, which lives as long as the process; whoever ends it sooner closes it.
    """
    hub = Hub(shared, version)
    way = Way(shared)
    for (route, path), (method, _, answer) in zip(places(), answers(hub), strict=True):
        prompt_server.routes.route(method, path)(way.unless_here(route, answer))

    async def open_early(_: web.Application) -> None:
        # What is loaded by now stays to the end. Python's collector goes through all of it whenever enough has come
        # and gone, which holds ComfyUI up for a tenth of a second; what is frozen it passes by.
        gc.collect(1)
        gc.freeze()
        # Interrupted records are completed now rather than at the first prompt; nobody waits for it.
        if way.hub() is None:
            hub.begin(lambda _: hub.open()).add_done_callback(_log_failure)

    prompt_server.app.on_startup.append(open_early)
    prompt_server.app.on_cleanup.append(way.close)
    _warn_of_folder(Path(__file__).parent.parent.name)
    return hub


class Way:
    """The way to the hub that the configuration names, where it names one."""

    def __init__(self, shared: SharedLibrary) -> None:
        self._shared = shared
        self._proxy: Proxy | None = None

    def hub(self) -> Server | None:
        """The hub that is configured. A configuration that is wrong is told of by whoever needs what it says."""
        try:
            return self._shared.config().hub
        except ArtifactDBError:
            return None

    def unless_here(self, route: Route, answer: Answer) -> Answer:
        """What answers a route: the hub that is configured, else this process."""

        async def answered(request: web.Request) -> web.StreamResponse:
            if self.hub() is None:
                return await answer(request)
            if self._proxy is None:
                self._proxy = Proxy(self._shared.config())
            return await self._proxy.answer(route, request)

        return answered

    async def close(self, _: web.Application) -> None:
        if self._proxy is not None:
            await self._proxy.close()


def _warn_of_folder(name: str) -> None:
    if quote(name) != name:
        # aiohttp compares what it was told with what was asked for, and only the one of them is quoted.
        logger.warning(
            "ComfyUI serves no scripts from a folder called %r: nodes and routes work, the panel stays away; "
            "rename the folder to one without blanks",
            name,
        )


def _log_failure(opening: asyncio.Future[None]) -> None:
    error = opening.exception()
    if isinstance(error, ArtifactDBError):
        logger.error("ComfyUI Artifact DB cannot be used: %s", error)
    elif error is not None:
        logger.error("ComfyUI Artifact DB cannot be used", exc_info=error)
