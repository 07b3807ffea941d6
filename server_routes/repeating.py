"""Owns the header Idempotency-Key: a request that is sent again with its key is done once and answered the same."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from ..errors import NotFound
from ..library import artifacts as artifact_rows
from ..library import chains as chain_rows
from ..library import repeats
from ..library import transfers as transfer_rows
from ..library import workflows as workflow_rows
from . import artifacts, asking, rendering
from .hub import Hub
from .problems import malformed

Handler = Callable[[Hub, web.Request], Awaitable[web.StreamResponse]]

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"

_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
_KEPT_HEADERS = ("ETag", "Location", "Retry-After")


async def answer(hub: Hub, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a handler answer, once for each key.

    Raises:
        Refused: 400, the key is none. Invalid: another request was given it. Whatever the handler raises.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await handler(hub, request)
    if not _KEY.match(key):
        raise malformed(f"{HEADER} is 1 to 255 visible ASCII characters, best a UUID")
    asked = repeats.Request(key, await _fingerprint(request))
    kept = await hub.run(repeats.find, asked)
    if kept is not None:
        return await _again(hub, kept)
    try:
        with repeats.during(asked):
            answered = await handler(hub, request)
    except repeats.Repeated:
        kept = await hub.run(repeats.find, asked)
        assert kept is not None
        return await _again(hub, kept)
    if isinstance(answered, web.Response) and answered.status < 300:
        await hub.run(repeats.keep, asked, _kept(answered))
    return answered


async def _fingerprint(request: web.Request) -> str:
    """What tells a request from another: who sends it, where to, and its body, unless that is a file."""
    digest = hashlib.sha256(f"{request.method} {request.path}\n{asking.actor(request)}\n".encode())
    if request.content_type != "multipart/form-data":
        digest.update(await asking.whole_body(request))
    return digest.hexdigest()


def _kept(answered: web.Response) -> dict[str, Any]:
    headers = {name: answered.headers[name] for name in _KEPT_HEADERS if name in answered.headers}
    return {"status": answered.status, "headers": headers, "body": answered.text}


async def _again(hub: Hub, kept: repeats.Kept) -> web.Response:
    if kept.answer is None:
        answered = await _as_it_is(hub, kept)
    else:
        headers = {"Cache-Control": "private, no-cache", **kept.answer["headers"]}
        text = kept.answer["body"] or None
        kind = "application/json" if text else None
        answered = web.Response(status=kept.answer["status"], text=text, content_type=kind, headers=headers)
    answered.headers[REPLAYED] = "true"
    return answered


async def _as_it_is(hub: Hub, kept: repeats.Kept) -> web.Response:
    """What a request made or changed, as it is now: the process that did it ended before it could answer."""
    if kept.entity_type == "artifact":
        return artifacts.answer(hub, await hub.run(artifact_rows.get_artifact, kept.entity_id))
    getters: dict[str | None, Callable[..., Any]] = {
        "chain": chain_rows.get_chain,
        "workflow": workflow_rows.get_workflow,
        "transfer": transfer_rows.get_transfer,
    }
    if kept.entity_type not in getters:
        raise NotFound("this request was done already, and there is nothing left to show of it")
    found = await hub.run(getters[kept.entity_type], kept.entity_id)
    return rendering.answer(rendering.plain(found), revision=getattr(found, "revision", None))
