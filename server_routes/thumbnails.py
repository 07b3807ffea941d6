"""The route that gives a small picture of an artifact, or a strip of a film; where there is none, one that says why."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from ..answers import fields
from ..library import thumbnails
from ..library.thumbnails import Thumbnail
from ..library.views import Artifact
from ..media import frames, placeholders
from ..storage.files import store_errors
from . import asking, rendering, shown
from .hub import Hub
from .problems import malformed

FOREVER = "private, max-age=31536000, immutable"
"""For a URL that names the bytes it shows: there will never be another picture behind it."""

_ASKED = {"v": fields.as_it_is, "size": fields.as_it_is, "strip": fields.switch}


async def get_artifact_thumbnail(hub: Hub, request: web.Request) -> web.Response:
    artifact_id = asking.path_id(request, "artifact")
    query = asking.query(request, _ASKED)
    size, version = _size(query), query.get("v")
    artifact, making = await hub.run(thumbnails.begin, artifact_id, size)
    # Others wait for the same picture: that this client has gone is no reason to stop.
    found = await asyncio.shield(asyncio.wrap_future(making))
    body = await hub.off_loop(lambda: _bytes(artifact, found))
    headers = {"Cache_Control": "private, no-cache", "Content_Security_Policy": "sandbox; default-src 'none'"}
    if found.note is not None:
        headers["X_Artifact_Note"] = found.note
    elif version == rendering.version(artifact):
        headers["Cache_Control"] = FOREVER
    if size == thumbnails.STRIP and found.note is None:
        headers["X_Artifact_Frames"] = str(frames.COUNT)
    return shown.answer(request, body, "image/webp", **headers)


def _size(query: dict[str, Any]) -> str:
    size: str = query.get("size") or "medium"
    if size not in thumbnails.SIZES:
        raise malformed(f"size is one of {', '.join(thumbnails.SIZES)}")
    return thumbnails.STRIP if query.get("strip") else size


def _bytes(artifact: Artifact, found: Thumbnail) -> bytes:
    if found.path is None:
        return placeholders.draw((artifact.file_format or artifact.file_type).upper(), found.note or "")
    with store_errors("reading a thumbnail"):
        return found.path.read_bytes()
