"""Owns the one place where the routes meet ComfyUI: they are added to its own server, and appear under /api too."""

from __future__ import annotations

import asyncio
import gc
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ..errors import ArtifactDBError
from ..library.opening import SharedLibrary
from .hub import Hub
from .table import answers

logger = logging.getLogger("artifact_db.server_routes")


def mount(prompt_server: Any, shared: SharedLibrary, version: str) -> Hub:
    """Add the routes to ComfyUI's `PromptServer`, and open the library in the background once it runs.

    Returns:
        The hub, which lives as long as the process; whoever ends it sooner closes it.
    """
    hub = Hub(shared, version)
    for method, path, answer in answers(hub):
        prompt_server.routes.route(method, path)(answer)

    async def open_early(_: web.Application) -> None:
        # What is loaded by now stays to the end. Python's collector goes through all of it whenever enough has come
        # and gone, which holds ComfyUI up for a tenth of a second; what is frozen it passes by.
        gc.collect(1)
        gc.freeze()
        # Interrupted records are completed now rather than at the first prompt; nobody waits for it.
        hub.begin(lambda _: hub.open()).add_done_callback(_log_failure)

    prompt_server.app.on_startup.append(open_early)
    _warn_of_folder(Path(__file__).parent.parent.name)
    return hub


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
