"""The route that gives a small picture of an artifact; where there is none, one that says why."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..library import thumbnails
from ..library.thumbnails import Thumbnail
from ..library.views import Artifact
from ..media import placeholders
from ..storage.files import store_errors
from . import asking, rendering, shown
from .hub import Hub

FOREVER = "private, max-age=31536000, immutable"
"""For a URL that names the bytes it shows: there will never be another picture behind it."""


async def get_artifact_thumbnail(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    version = asking.Query(request, "v").text("v")
    artifact, making = await hub.run(thumbnails.begin, artifact_id)
    # Others wait for the same picture: that this client has gone is no reason to stop.
    found = await asyncio.shield(asyncio.wrap_future(making))
    body = await hub.off_loop(lambda: _bytes(artifact, found))
    headers = {"Cache_Control": "private, no-cache", "Content_Security_Policy": "sandbox; default-src 'none'"}
    if found.note is not None:
        headers["X_Artifact_Note"] = found.note
    elif version == rendering.version(artifact):
        headers["Cache_Control"] = FOREVER
    return shown.answer(request, body, "image/webp", **headers)


def _bytes(artifact: Artifact, found: Thumbnail) -> bytes:
    if found.path is None:
        return placeholders.draw((artifact.file_format or artifact.file_type).upper(), found.note or "")
    with store_errors("reading a thumbnail"):
        return found.path.read_bytes()
